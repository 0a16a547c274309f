"""When a job's lock is taken for granted, and when Redis is asked."""

import pytest
from redis.exceptions import ConnectionError as RedisAway

from bullmq_consumer.safety import fence
from bullmq_consumer.safety.fence import fenced
from bullmq_consumer.safety.leases import Lease
from bullmq_consumer.scripts.queue_scripts import Hold
from core.errors import LockLost, RetryableError


class Redis:
    """Answers with `found` and counts how often it was asked."""

    def __init__(self, found: Hold | Exception = Hold.OURS) -> None:
        self.found = found
        self.asked = 0
        self.now = 100.0
        self.losses = 0

    async def hold(self) -> Hold:
        self.asked += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def lost(self) -> None:
        self.losses += 1

    def lease(self) -> Lease:
        return Lease("j", self.hold, self.lost, self.now, lambda: self.now)


async def test_a_fresh_lock_is_not_asked_for() -> None:
    redis = Redis(Hold.OTHERS)
    lease = redis.lease()
    redis.now += 19
    await lease.check()
    lease.confirm(redis.now)
    redis.now += 19
    await lease.check()
    assert redis.asked == 0


async def test_an_old_one_is_asked_for_once() -> None:
    redis = Redis()
    lease = redis.lease()
    redis.now += 21
    await lease.check()
    await lease.check()
    assert redis.asked == 1


@pytest.mark.parametrize("found", [Hold.OTHERS, Hold.GONE])
async def test_what_another_worker_has_is_lost_for_good(found: Hold) -> None:
    redis = Redis(found)
    lease = redis.lease()
    redis.now += 21
    for _ in range(2):
        with pytest.raises(LockLost):
            await lease.check()
    assert (redis.asked, redis.losses) == (1, 1)


async def test_while_redis_is_away_nothing_is_written_and_nothing_lost() -> None:
    redis = Redis(RedisAway("gone"))
    lease = redis.lease()
    redis.now += 21
    with pytest.raises(RetryableError, match="Redis is unreachable"):
        await lease.check()
    redis.found = Hold.OURS
    await lease.check()


async def test_services_ask_the_running_jobs_lease() -> None:
    await fence.check()
    lease = Redis().lease()
    with fenced(lease):
        assert fence.current_job() == "j"
        await fence.check()
        lease.lose()
        with pytest.raises(LockLost):
            await fence.check()
    await fence.check()
    assert fence.current_job() is None
