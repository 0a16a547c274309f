"""A lock of another length than Node's."""

import time
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bullmq_consumer.errors import LockLost
from bullmq_consumer.health.log_throttle import LogThrottle
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.safety.durable_writes import DurableWrites
from bullmq_consumer.safety.leases import Leases
from bullmq_consumer.scripts.queue_scripts import QueueScripts
from sandbox.redis import RedisServer


async def none_refused(job_ids: list[str], tokens: list[str], duration_ms: int) -> list[str]:
    return []


@pytest.mark.parametrize(("lock_s", "is_asked"), [(3, True), (30, False)])
async def test_a_short_lock_is_asked_for_sooner(
    server: RedisServer, lock_s: int, is_asked: bool
) -> None:
    """Two thirds of it are taken for granted: another worker has had this job for a while."""
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        scripts = QueueScripts(redis, QueueName(f"lock-{lock_s}"), timedelta(seconds=lock_s))
        await redis.hset(scripts.key("j"), mapping={"name": "x"})
        await redis.set(scripts.key("j:lock"), "another's")
        writes = DurableWrites(scripts, LogThrottle("Redis"))
        leases = Leases(scripts, writes, none_refused, scripts.lock)
        with leases.held(("j", "ours"), time.monotonic() - 2.5, lambda: None) as lease:
            if is_asked:
                with pytest.raises(LockLost):
                    await lease.check()
            else:
                await lease.check()
            assert lease.is_lost == is_asked
