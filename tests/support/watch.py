"""A worker's reconciler in the test's own process, an hour later than its rows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from loguru import logger
from redis.asyncio import Redis

from bullmq_consumer.engine.adding import Adder
from bullmq_consumer.inspect.states import JobState, QueueState
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis import clients as redis_client
from config.consumer import job_defaults_of, queue_of, redis_of
from config.environment import Environment
from config.settings import load_settings
from runtime.reconciler.reconciler import Reconciler
from sandbox.processes import PATIENCE_S
from services.bundle import Services
from tests.support.site import Site

Meanwhile = Callable[[], Awaitable[object]]


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


async def nothing() -> None:
    """Happens meanwhile."""


class Interrupted(QueueState):
    """Something happens around the last look at the queue, right before the write."""

    def __init__(self, redis: Redis, queue: QueueName, before: Meanwhile, after: Meanwhile) -> None:
        super().__init__(redis, queue)
        self.before, self.after, self.looks = before, after, 0

    async def job(self, job_id: str) -> JobState:
        await self.before()
        state = await super().job(job_id)
        await self.after()
        return state

    async def unfinished(self, pattern: str) -> set[str]:
        self.looks += 1
        if self.looks == 2:
            await self.before()
        found = await super().unfinished(pattern)
        if self.looks == 2:
            await self.after()
        return found


@asynccontextmanager
async def reconciler(
    site: Site,
    *,
    before: Meanwhile = nothing,
    after: Meanwhile = nothing,
    variables: dict[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[Reconciler]:
    """`before` and `after` happen around its last look at the queue."""
    values = site.vidfab.settings(site.queue, **(variables or {}))
    settings = load_settings(environment=Environment(values, {}))
    redis = redis_client.connect(redis_of(settings))
    services = Services(settings)
    queue = Interrupted(redis, queue_of(settings), before, after)
    try:
        adder = Adder(redis, queue_of(settings), job_defaults_of(settings))
        yield Reconciler(redis, queue, adder, services, **{"now": in_an_hour, **options})
    finally:
        await services.aclose()
        await redis.aclose()


async def work_a_round(site: Site, **options: Any) -> None:
    """The next round, whoever had the one before: a worker of the test works one at its start."""
    async with Redis.from_url(site.vidfab.redis.url) as redis:
        await redis.delete(f"bull:{site.queue}:vidfab:watchdog")
    async with reconciler(site, **options) as dog:
        assert await dog.round()


@asynccontextmanager
async def services_of(site: Site, **variables: str) -> AsyncIterator[Services]:
    """A worker's services in the test's own process."""
    values = site.vidfab.settings(site.queue, **variables)
    services = Services(load_settings(environment=Environment(values, {})))
    try:
        yield services
    finally:
        await services.aclose()


@dataclass
class Log:
    lines: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, message: str) -> None:
        self.lines.append(str(message).strip())
        self.news.set()

    def about(self, text: str) -> list[str]:
        return [line for line in self.lines if text in line]

    async def until(self, text: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not self.about(text):
                self.news.clear()
                await self.news.wait()


@contextmanager
def logged() -> Iterator[Log]:
    """What is logged meanwhile."""
    log = Log()
    sink = logger.add(log, format="{level} {message}")
    try:
        yield log
    finally:
        logger.remove(sink)
