"""Jobs that arrived, or did not quite, and that nobody works on."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from bullmq_consumer.fetching import Fetcher
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.safety.orphans import DeliveryKey, Orphans
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
    known: set[DeliveryKey] = {("at-work", "w1:2")}
    orphans = Orphans(redis, scripts, "w1", known)
    locks = {
        "stray": "w1:1",
        "at-work": "w1:2",
        "older-delivery-at-work": "w1:3",
        "on-its-way": "w1:4",
        "of-another": "w11:1",
        "unlocked": None,
    }
    known.add(("older-delivery-at-work", "w1:9"))
    for job_id, token in locks.items():
        await lay(redis, scripts, job_id, token)
    with orphans.tracked("w1:4"):
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
    """The library's main loop would begin with it after the grace, or not wait for it at all."""
    begun: list[str] = []

    async def process(job: Any, _: str) -> None:
        begun.append(job.id)

    async def settled(*_: object) -> bool:
        return True

    worker = Fetcher(
        site.queue,
        process,
        {"connection": redis, "autorun": False},
        scripts=QueueScripts(redis, QueueName(site.queue)),
        waiting_client=redis,
        releases_id=lambda _: False,
        hides_retries=lambda _: False,
        fail_deferred=settled,
        fitness=Fitness(lambda: None),
    )
    job_id = await site.add("quick", {}, priority=4)
    token = f"{worker.id}:1"
    job = await worker.getNextJob(token)
    assert job is not None
    await worker.stop_taking()
    await worker.until_idle()

    found = await site.app.job(job_id)
    assert found is not None
    assert found.state == "prioritized"
    assert await worker.processJob(job, token) is None
    assert begun == []
    await worker.close()
