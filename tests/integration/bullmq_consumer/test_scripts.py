"""The worker's own scripts on BullMQ's keys, with the real Redis."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.scripts.queue_scripts import MAX_HAND_BACKS, Hold, QueueScripts
from sandbox.redis import RedisServer

JOB, OURS, THEIRS = "job-1", "token-1", "token-2"


class Queue:
    """One active job, locked by `OURS`."""

    def __init__(self, redis: "Redis", name: str) -> None:
        self.redis = redis
        self.key = QueueName(name).key
        self.scripts = QueueScripts(redis, QueueName(name))

    async def lay(self) -> None:
        await self.redis.hset(self.key(JOB), mapping={"name": "x", "priority": 2})
        await self.redis.lpush(self.key("active"), JOB)
        await self.lock(OURS)

    async def lock(self, token: str | None) -> None:
        if token is None:
            await self.redis.delete(self.key(f"{JOB}:lock"))
        else:
            await self.redis.set(self.key(f"{JOB}:lock"), token, px=30_000)

    async def save(self, text: str, before: str = "") -> Hold:
        return await self.scripts.save_checkpoint(JOB, OURS, text, before)

    async def field(self, name: str) -> str | None:
        return await self.redis.hget(self.key(JOB), name)


@pytest.fixture
async def queue(server: RedisServer) -> AsyncIterator[Queue]:
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        queue = Queue(redis, f"q-{uuid4().hex}")
        await queue.lay()
        yield queue


async def test_a_hold_is_renewed_regained_and_refused(queue: Queue) -> None:
    await queue.redis.pexpire(queue.key(f"{JOB}:lock"), 1000)
    assert await queue.scripts.hold(JOB, OURS) is Hold.OURS
    assert await queue.redis.pttl(queue.key(f"{JOB}:lock")) > 25_000
    await queue.lock(None)
    await queue.redis.sadd(queue.key("stalled"), JOB)
    assert await queue.scripts.hold(JOB, OURS) is Hold.OURS, "nobody else has it"
    assert not await queue.redis.sismember(queue.key("stalled"), JOB)
    await queue.lock(THEIRS)
    assert await queue.scripts.hold(JOB, OURS) is Hold.OTHERS
    await queue.lock(None)
    await queue.redis.lrem(queue.key("active"), 0, JOB)
    assert await queue.scripts.hold(JOB, OURS) is Hold.OTHERS, "it waits for another worker"


async def test_a_job_at_its_end_is_gone(queue: Queue) -> None:
    await queue.redis.hset(queue.key(JOB), "finishedOn", "1")
    assert await queue.scripts.hold(JOB, OURS) is Hold.GONE
    await queue.redis.delete(queue.key(JOB))
    assert await queue.save("{}") is Hold.GONE
    assert not await queue.redis.exists(queue.key(JOB)), "a removed job does not come back"


async def test_a_checkpoint_reaches_a_job_that_waits_as_it_was_given_back(queue: Queue) -> None:
    assert await queue.save("1") is Hold.OURS
    assert await queue.scripts.hand_back(JOB, OURS) is Hold.OURS
    assert await queue.save("2", before="1") is Hold.OTHERS
    assert await queue.field("checkpoint") == "2"
    assert await queue.save("3", before="1") is Hold.OTHERS
    assert await queue.field("checkpoint") == "2", "somebody else has written since"
    await queue.lock(THEIRS)
    assert await queue.save("3", before="2") is Hold.OTHERS
    assert await queue.field("checkpoint") == "2", "somebody else works on it"


async def test_a_job_goes_back_to_the_front_and_wakes_a_worker(queue: Queue) -> None:
    await queue.redis.zadd(queue.key("prioritized"), {"before": 2 * 2**32 + 7, "urgent": 2**32})
    assert await queue.scripts.hand_back(JOB, OURS) is Hold.OURS
    waiting = await queue.redis.zrange(queue.key("prioritized"), 0, -1)
    assert waiting == ["urgent", JOB, "before"]
    assert await queue.redis.llen(queue.key("active")) == 0
    assert await queue.redis.zcard(queue.key("marker")) == 1
    assert await queue.scripts.hand_back(JOB, OURS) is Hold.OTHERS
    assert await queue.field("handBacks") == "1"


async def test_the_last_hand_back_marks_the_job_to_fail(queue: Queue) -> None:
    await queue.redis.hset(queue.key(JOB), "handBacks", MAX_HAND_BACKS - 1)
    await queue.scripts.hand_back(JOB, OURS)
    assert await queue.field("defa") is None
    await queue.redis.lpush(queue.key("active"), JOB)
    await queue.scripts.hand_back(JOB, OURS)
    assert await queue.field("defa") == "The job was handed back more than 20 times"
    assert await queue.field("handBacks") == "0", "should somebody retry it by hand"


async def test_what_is_no_stop_is_counted_elsewhere_and_bounded_by_others(queue: Queue) -> None:
    await queue.redis.hset(queue.key(JOB), "putOffs", 1000)
    assert await queue.scripts.hand_back(JOB, OURS, "putOffs") is Hold.OURS
    assert await queue.field("putOffs") == "1001"
    assert (await queue.field("handBacks"), await queue.field("defa")) == (None, None)


async def test_a_job_that_is_put_off_is_counted_and_may_be_marked_to_fail(queue: Queue) -> None:
    assert await queue.scripts.snooze(JOB, OURS, "putOffs") is Hold.OURS
    assert await queue.field("defa") is None
    assert await queue.scripts.snooze(JOB, OURS, "putOffs", "The rows are away") is Hold.OURS
    assert await queue.field("defa") == "The rows are away"
    assert await queue.field("putOffs") == "2"
    assert await queue.scripts.snooze(JOB, THEIRS, "putOffs") is Hold.OTHERS


async def test_an_old_failure_is_forgotten_by_the_one_who_has_the_job(queue: Queue) -> None:
    await queue.redis.hset(queue.key(JOB), "failedReason", "no luck")
    assert await queue.scripts.hide_failure(JOB, THEIRS) is Hold.OTHERS
    assert await queue.field("failedReason") == "no luck"
    assert await queue.scripts.hide_failure(JOB, OURS) is Hold.OURS
    assert await queue.field("failedReason") is None


async def test_lines_of_a_log_are_kept_in_order_as_many_as_wanted(queue: Queue) -> None:
    log = queue.key(f"{JOB}:logs")
    await queue.scripts.log(JOB, ["a", "b"], 0)
    await queue.scripts.log(JOB, ["c"], 0)
    assert await queue.redis.lrange(log, 0, -1) == ["a", "b", "c"]
    await queue.scripts.log(JOB, ["d", "e"], 3)
    assert await queue.redis.lrange(log, 0, -1) == ["c", "d", "e"]


async def test_a_job_that_is_gone_gets_no_log(queue: Queue) -> None:
    await queue.redis.delete(queue.key(JOB))
    await queue.scripts.log(JOB, ["a"], 0)
    assert not await queue.redis.exists(queue.key(f"{JOB}:logs"))
