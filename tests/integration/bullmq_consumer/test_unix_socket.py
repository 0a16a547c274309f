"""A Redis that is reached by a socket in the file system."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bullmq_consumer import Job, Worker
from bullmq_consumer.engine.adding import Adder
from bullmq_consumer.new_job import JobDefaults, NewJob
from bullmq_consumer.queue_name import QueueName
from sandbox.redis import RedisServer


class SocketServer(RedisServer):
    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__()

    def _command(self, appendonly: bool) -> list[str]:
        return [*super()._command(appendonly), "--unixsocket", str(self._path)]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket has 107 bytes at most
        path = Path(folder) / "redis.sock"
        async with SocketServer(path):
            yield f"unix://{path}"


async def test_a_worker_runs_jobs_over_a_unix_socket(url: str) -> None:
    done = asyncio.Event()
    worker = Worker("emails", url)

    @worker.job("send")
    async def send(job: Job) -> None:
        done.set()

    async with Redis.from_url(url, decode_responses=True) as redis, worker.running():
        adder = Adder(redis, QueueName("emails"), JobDefaults())
        await adder.add([NewJob("send", "first", {})])
        await asyncio.wait_for(done.wait(), 30)
