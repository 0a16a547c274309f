"""Jobs whose marker is gone, since the worker that met it was killed: others find them by time."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from redis.asyncio import Redis

from bullmq_consumer.protocol.commands import Commands, TakeOptions
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.clock import RedisClock
from sandbox.redis import RedisServer
from tests.support.small_site import SmallSite

HOUR_MS = 3_600_000


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        yield redis


async def markers_after_a_check(
    site: SmallSite, redis: Redis, hours: float = 0
) -> dict[str, float]:
    """What there is to wake a worker: the old markers are removed, a check is made hours later."""
    queue = QueueName(site.queue)
    await redis.delete(queue.key("marker"))
    clock = RedisClock(redis, wall=lambda: time.time() + hours * 3600)
    commands = Commands(redis, queue, TakeOptions(worker="w", lock_ms=30_000), clock)
    await commands.return_stalled(1, 30_000)
    return dict(await redis.zrange(queue.key("marker"), 0, -1, withscores=True))


@pytest.mark.parametrize("options", [{}, {"priority": 3}, {"delay": HOUR_MS}])
async def test_a_check_wakes_a_worker_for_a_job_that_may_be_taken(
    site: SmallSite, redis: Redis, options: Mapping[str, Any]
) -> None:
    await site.add("x", {}, **options)
    assert await markers_after_a_check(site, redis, hours=2) == {"0": 0}


async def test_a_check_wakes_nobody_where_no_job_may_be_taken(
    site: SmallSite, redis: Redis
) -> None:
    assert not await markers_after_a_check(site, redis), "the queue is empty"
    await site.add("x", {}, delay=HOUR_MS)
    assert not await markers_after_a_check(site, redis), "the only job is not due"
    await site.add("x", {}, priority=3)
    await site.app.pause()
    assert not await markers_after_a_check(site, redis), "the queue is paused"


async def test_a_delayed_job_whose_marker_died_with_a_worker_runs_soon(
    site: SmallSite, redis: Redis
) -> None:
    """Of two that wait, the first one gets the marker. The other one would wait for 70 s."""
    first = await site.worker()
    await site.worker(stalled_every_s=1)
    job_id = await site.add("x", {}, delay=5000)
    assert not await redis.exists(QueueName(site.queue).key("marker"))
    await first.kill()
    added = site.app.events_of(job_id)[0].at
    done = await site.app.wait_for(job_id, "completed")
    assert done.at - added < 40_000
