"""A queue for tests of the consumer alone: Redis, the real Node, and the small application."""

import itertools
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from bullmq_consumer.engine.consumer import Consumer
from bullmq_consumer.options import Options
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.address import RedisAddress
from sandbox.processes import Process, logged
from sandbox.producer import NodeApp, Package
from sandbox.redis import RedisServer
from tests.support.apps import Apps
from tests.support.small_app import GRACE, READY, SmallApp

_ROOT = Path(__file__).parents[2]
_number = itertools.count()


async def start_small_worker(
    url: str,
    queue: str,
    folder: Path,
    concurrency: int = 1,
    env: Mapping[str, str] | None = None,
    stalled_every_s: int = 30,
) -> Process:
    """The small application in a process of its own, waiting for jobs."""
    options = [str(concurrency), str(stalled_every_s)]
    command = [sys.executable, "-m", "tests.support.small_app", url, queue, *options]
    log = folder / f"small-{next(_number)}.log"
    process = Process(command, log, name="worker", cwd=_ROOT, env=env)
    await process.start(logged(log, READY))
    return process


class SmallSite:
    """A fresh queue with the real Node producer and observer on it."""

    app: NodeApp

    def __init__(
        self, redis: RedisServer, folder: Path, apps: Apps, package: Package = "bullmq"
    ) -> None:
        self.redis = redis
        self.folder = folder
        self.queue = f"q-{uuid4().hex}"
        self._apps = apps
        self._package: Package = package
        self._parts = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.app = await self._apps.on(self.queue, self._package)
        await self.app.observe("0-0")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._parts.aclose()

    async def worker(self, concurrency: int = 1, *, stalled_every_s: int = 30) -> Process:
        """One more worker on this queue, stopped with the test."""
        process = await start_small_worker(
            self.redis.url,
            self.queue,
            self.folder,
            concurrency,
            stalled_every_s=stalled_every_s,
        )
        self._parts.push_async_callback(process.stop)
        return process

    @asynccontextmanager
    async def working(self, **options: Any) -> AsyncIterator[SmallApp]:
        """The same application in this process, with these options of its worker."""
        app = SmallApp()
        place = Options(queue=QueueName(self.queue), redis=RedisAddress(self.redis.url), **options)
        worker = Consumer(place, app)
        loop = await worker.start()
        try:
            yield app
        finally:
            assert await worker.stop(loop, GRACE)

    async def add(self, name: str, data: Mapping[str, Any], **options: Any) -> str:
        """A job with these BullMQ options, three attempts at once after each other if none say."""
        return await self.app.add(name, data, {"attempts": 3, **options})
