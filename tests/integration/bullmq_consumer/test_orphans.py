"""Jobs that arrived, or did not quite, and that nobody works on."""

import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from bullmq_consumer.engine.fetching import Fetcher
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.health.log_throttle import LogThrottle
from bullmq_consumer.protocol.commands import Commands, TakeOptions
from bullmq_consumer.protocol.decoder import Decoder
from bullmq_consumer.protocol.job import DeliveryKey, Job
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.clock import RedisClock
from bullmq_consumer.safety.in_flight import InFlight
from bullmq_consumer.safety.orphans import Orphans
from bullmq_consumer.scripts.queue_scripts import LOCK, QueueScripts
from sandbox.redis import RedisServer
from tests.support.small_site import SmallSite


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        yield redis


async def lay(redis: Redis, scripts: QueueScripts, job_id: str, token: str | None) -> None:
    """An active job, under this lock."""
    await redis.hset(scripts.key(job_id), mapping={"name": "x", "priority": 2})
    await redis.lpush(scripts.key("active"), job_id)
    if token is not None:
        await redis.set(scripts.key(f"{job_id}:lock"), token, px=LOCK)


async def test_only_what_is_ours_and_unknown_goes_back(redis: Redis) -> None:
    scripts = QueueScripts(redis, QueueName(f"q-{uuid4().hex}"))
    known: set[DeliveryKey] = set()
    orphans = Orphans(redis, scripts, known)
    ours = orphans.token
    known.add(("at-work", ours(2)))
    locks = {
        "stray": ours(1),
        "at-work": ours(2),
        "older-delivery-at-work": ours(3),
        "on-its-way": ours(4),
        "of-another": f"1{ours(1)}",
        "unlocked": None,
    }
    known.add(("older-delivery-at-work", ours(9)))
    for job_id, token in locks.items():
        await lay(redis, scripts, job_id, token)
    with orphans.tracked(ours(4)):
        await orphans.hand_back()

    assert set(await redis.lrange(scripts.key("active"), 0, -1)) == {
        "at-work",
        "on-its-way",
        "of-another",
        "unlocked",
    }
    waiting = await redis.zrange(scripts.key("prioritized"), 0, -1)
    assert set(waiting) == {"stray", "older-delivery-at-work"}
    assert await redis.exists(scripts.key("marker")), "a worker that waits is woken"


async def test_what_arrived_and_is_not_begun_goes_back_at_the_stop(
    site: SmallSite, redis: Redis
) -> None:
    scripts = QueueScripts(redis, QueueName(site.queue))
    in_flight = InFlight(scripts)
    orphans = Orphans(redis, scripts, in_flight)
    clock = RedisClock(redis)
    options = TakeOptions(worker="w", lock_ms=30_000)
    commands = Commands(redis, QueueName(site.queue), options, clock)
    fetcher = Fetcher(
        never,
        commands=commands,
        scripts=scripts,
        waiting=redis,
        clock=clock,
        decoder=Decoder(scripts, lambda _: False),
        in_flight=in_flight,
        orphans=orphans,
        fitness=Fitness(lambda: None),
        errors=LogThrottle("BullMQ reports"),
        concurrency=1,
        block_s=1,
    )
    job_id = await site.add("quick", {}, priority=4)
    taken = await commands.take(orphans.token(1))
    job = await fetcher.receive(taken, orphans.token(1), time.monotonic())
    assert job is not None
    fetcher.stop()
    await fetcher.until_idle()

    found = await site.app.job(job_id)
    assert found is not None
    assert found.state == "prioritized"
    assert not in_flight.begin(job.key), "nobody runs it any more"


async def never(job: Job) -> None:
    raise AssertionError(f"job {job.id} began")


@pytest.mark.parametrize("is_left", [False, True])
async def test_a_worker_that_stops_wakes_another_one_for_what_is_left(
    site: SmallSite, redis: Redis, is_left: bool
) -> None:
    """The wait that it ends may have taken the marker of that job."""
    if is_left:
        await site.add("later", {}, delay=3_600_000)
    worker = await site.worker()
    await site.app.wait_for(await site.add("quick", {}), "completed")
    assert await worker.stop() == 0
    marker = await redis.zscore(f"bull:{site.queue}:marker", "0")
    assert marker == (0 if is_left else None)
