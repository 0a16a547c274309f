"""A worker's look at overdue jobs in the test's own process, by a clock that the test sets."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from bullmq_consumer.redis import clients as redis_client
from config.consumer import queue_of, redis_of
from config.environment import Environment
from config.settings import load_settings
from runtime.reconciler.deadlines import Deadlines
from sandbox.app import Project
from sandbox.app_storyboards import StoryboardPage
from services.bundle import Services
from tests.support.site import Site

# In all what the page waits between two polls, a look comes at the latest.
_LOOK_EVERY_S = 20.0


@dataclass
class Clock:
    """As much later than the machine's as the test says."""

    site: Site
    redis: Redis
    services: Services
    deadlines: Deadlines | None = None
    ahead_s: float = 0.0
    looked_at: float = float("-inf")

    def __call__(self) -> float:
        return time.time() + self.ahead_s

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass, with the looks that come meanwhile."""
        await asyncio.sleep(0)
        self.ahead_s += seconds
        if self.ahead_s - self.looked_at >= _LOOK_EVERY_S:
            await self.look()

    async def look(self) -> timedelta:
        """Look now, whoever looked before."""
        assert self.deadlines is not None
        self.looked_at = self.ahead_s
        await self.redis.delete(f"bull:{self.site.queue}:vidfab:deadlines")
        return await self.deadlines.look()

    def page(self, project: Project) -> StoryboardPage:
        """The person's page of a project, on this clock."""
        vidfab = self.site.vidfab
        return StoryboardPage(self.site.app, vidfab.supabase, project, now=self, sleep=self.sleep)


@asynccontextmanager
async def clock_of(site: Site, **variables: str) -> AsyncIterator[Clock]:
    """A clock, and the look that goes by it."""
    values = site.vidfab.settings(site.queue, **variables)
    settings = load_settings(environment=Environment(values, {}))
    redis = redis_client.connect(redis_of(settings))
    services = Services(settings)
    clock = Clock(site, redis, services)
    clock.deadlines = Deadlines(redis, queue_of(settings), services, now=clock)
    try:
        yield clock
    finally:
        await services.aclose()
        await redis.aclose()


async def make_older(site: Site, job_id: str, age: timedelta) -> None:
    """The job was added so long ago, by its own word, and its project's rows were right before."""
    job = await site.app.job(job_id)
    assert job is not None
    at = datetime.now(UTC) - age
    await site.vidfab.supabase.update(
        "project_storyboards",
        {"created_at": at.isoformat()},
        project_id=f"eq.{job.data['projectId']}",
    )
    async with Redis.from_url(site.redis.url) as redis:
        at_ms = round(at.timestamp() * 1000)
        await redis.hset(f"bull:{site.queue}:{job_id}", "timestamp", at_ms)
