"""A Redis in cluster mode, of one node: its scripts take only keys that lie together."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ClusterCrossSlotError, ClusterDownError

from bullmq_consumer import Job, Worker
from bullmq_consumer.engine.adding import Adder
from bullmq_consumer.new_job import JobDefaults, NewJob
from bullmq_consumer.queue_name import QueueName
from sandbox.processes import PATIENCE_S, free_port
from sandbox.redis import RedisServer

# Redis talks to other nodes on a port that is 10,000 higher.
_HIGHEST_PORT = 65_535 - 10_000


class ClusterServer(RedisServer):
    def _command(self, appendonly: bool) -> list[str]:
        while self.port > _HIGHEST_PORT:
            self.port = free_port()
        return [*super()._command(appendonly), "--cluster-enabled", "yes"]


@pytest.fixture
async def cluster() -> AsyncIterator[RedisServer]:
    """Its one node has all slots."""
    async with ClusterServer() as server:
        async with Redis.from_url(server.url) as redis, asyncio.timeout(PATIENCE_S):
            await redis.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
            while not await _is_up(redis):  # noqa: ASYNC110 (Redis tells nobody)
                await asyncio.sleep(0.1)
        yield server


@pytest.fixture
async def redis(cluster: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(cluster.url, decode_responses=True) as client:
        yield client


async def _is_up(client: Redis) -> bool:
    try:
        return not await client.exists("a")
    except ClusterDownError:
        return False


async def test_a_queue_whose_name_stands_in_braces_is_worked_on(
    cluster: RedisServer, redis: Redis
) -> None:
    done = asyncio.Event()
    worker = Worker("{emails}", cluster.url)

    @worker.job("send")
    async def send(job: Job) -> None:
        done.set()

    async with worker.running():
        await Adder(redis, QueueName("{emails}"), JobDefaults()).add([NewJob("send", "first", {})])
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()


async def test_a_queue_without_them_is_refused(redis: Redis) -> None:
    adder = Adder(redis, QueueName("emails"), JobDefaults())
    with pytest.raises(ClusterCrossSlotError):
        await adder.add([NewJob("send", "first", {})])
