"""What counts as a job that waits for a worker, or that one has."""

from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from bullmq_consumer.engine.adding import Adder
from bullmq_consumer.inspect.states import QueueState
from bullmq_consumer.inspect.waiting import OpenJobs
from bullmq_consumer.new_job import JobDefaults, NewJob
from bullmq_consumer.queue_name import QueueName
from sandbox.redis import RedisServer


@pytest.mark.parametrize(
    ("place", "is_open"), [("waiting-children", False), ("delayed", True), ("prioritized", True)]
)
async def test_any_and_like_agree(server: RedisServer, place: str, is_open: bool) -> None:
    queue = QueueName(f"q-{uuid4().hex}")
    client: Any
    async with Redis.from_url(server.url, decode_responses=True) as client:
        await Adder(client, queue, JobDefaults()).add([NewJob("x", "a", {})])
        await client.lrem(queue.key("wait"), 0, "a")
        await client.zadd(queue.key(place), {"a": 1})
        jobs = OpenJobs(client, queue)
        assert await jobs.any() is is_open
        assert [job.job_id for job in await jobs.like("*")] == (["a"] if is_open else [])
        assert await QueueState(client, queue).unfinished("*") == {"a"}
