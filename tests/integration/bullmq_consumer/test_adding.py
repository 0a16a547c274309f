"""Jobs that are added from outside of any job, in place of finished ones."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from bullmq_consumer.engine.adding import Adder
from bullmq_consumer.engine.queues import Queues
from bullmq_consumer.new_job import JobDefaults, NewJob
from bullmq_consumer.queue_name import QueueName
from sandbox.redis import RedisServer


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Any]:
    async with Redis.from_url(server.url, decode_responses=True) as client:
        yield client


@pytest.fixture
def queue() -> QueueName:
    return QueueName(f"q-{uuid4().hex}")


async def add(redis: Any, queue: QueueName, *jobs: NewJob) -> None:
    await Adder(redis, queue, JobDefaults()).add(jobs)


async def finish(redis: Any, queue: QueueName, job_id: str) -> None:
    await redis.lrem(queue.key("wait"), 0, job_id)
    await redis.zadd(queue.key("completed"), {job_id: 1})
    await redis.hset(queue.key(job_id), "finishedOn", 1)


async def test_each_goes_to_its_own_queue(redis: Any, queue: QueueName) -> None:
    other = QueueName(f"q-{uuid4().hex}")
    here, there = NewJob("x", "a", {}), NewJob("x", "b", {}, queue=other.name)
    await add(redis, queue, here, there)
    found = [await redis.lrange(one.key("wait"), 0, -1) for one in (queue, other)]
    assert found == [["a"], ["b"]]


async def test_the_children_of_a_replaced_parent_stay(redis: Any, queue: QueueName) -> None:
    await add(redis, queue, NewJob("x", "parent", {}), NewJob("x", "child", {}))
    for job_id in ("parent", "child"):
        await finish(redis, queue, job_id)
    await redis.hset(queue.key("child"), "parentKey", queue.key("parent"))
    await redis.hset(queue.key("parent:processed"), queue.key("child"), "1")
    await add(redis, queue, NewJob("x", "parent", {}))
    assert await redis.lrange(queue.key("wait"), 0, -1) == ["parent"]
    assert await redis.exists(queue.key("child"))


async def test_a_finished_job_that_is_held_is_named(
    redis: Any, queue: QueueName, caplog: pytest.LogCaptureFixture
) -> None:
    await add(redis, queue, NewJob("x", "a", {}))
    await finish(redis, queue, "a")
    await redis.set(queue.key("a:lock"), "another's")
    await add(redis, queue, NewJob("x", "a", {}))
    assert caplog.messages == ["Job a has ended and was not removed: its new one is dropped"]


async def test_many_are_looked_for_over_few_connections(redis: Any, queue: QueueName) -> None:
    before = (await redis.info("stats"))["total_connections_received"]
    await add(redis, queue, *(NewJob("x", f"job-{n}", {}) for n in range(200)))
    after = (await redis.info("stats"))["total_connections_received"]
    assert await redis.llen(queue.key("wait")) == 200
    assert after - before < 10


async def test_a_queue_is_made_once_for_all_additions(redis: Redis) -> None:
    queues = Queues(redis, QueueName("emails"))
    first = await queues.called(None)
    assert await queues.called("emails") is first
    names = [f"tenant-{number}" for number in range(50)]
    made = [await queues.called(name) for name in names]
    assert [queue.name for queue in made] == names
