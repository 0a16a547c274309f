"""Gives up jobs for which people have waited too long, while the jobs wait for a worker.

A job that runs sees to its own deadline (core/deadline.py); this is for its turn in a backlog,
put-offs, backoff and a paused queue, and for rows whose job is gone. Every worker has one. What is
added after a look is due 12 minutes later at the earliest: at rest one look in that time is enough.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import NoReturn

from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bullmq_consumer.inspect.waiting import OpenJobs
from bullmq_consumer.queue_name import QueueName
from core.deadline import PATIENCE
from core.errors import ProviderDown, ServiceError
from runtime.reconciler.late_films import LateFilms
from runtime.reconciler.late_storyboards import LateStoryboards
from services.bundle import Services

SOON = timedelta(seconds=20)
"""Until the next look where something is due, or overdue and still being worked on."""

_LOCK = "vidfab:deadlines"
# The lock lives so much shorter than the pause: the worker that looked looks again.
_EARLIER = timedelta(seconds=2)
# A database that is away is told of once, and then this rarely.
_TELL_EVERY_S = 300.0


class Deadlines:
    """One worker's look at what is overdue. `now`, in seconds since the epoch, is for tests."""

    def __init__(
        self,
        redis: Redis,
        queue: QueueName,
        services: Services,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._key = queue.key(_LOCK)
        self._jobs = OpenJobs(redis, queue)
        self._rows = services.storyboards
        self._now = now
        self._told_at = float("-inf")
        self._storyboards = LateStoryboards(self._jobs, services, now)
        self._films = LateFilms(self._jobs, services, now)

    async def run(self) -> NoReturn:
        """Look when something may be due, until cancelled."""
        while True:
            pause = SOON
            with self._guarded():
                pause = await self.look()
            await asyncio.sleep(pause.total_seconds())

    async def look(self) -> timedelta:
        """Give up what is overdue, and return when to look again.

        Trouble of films does not stop storyboards, nor the other way round: it is logged, and the
        next look does the rest. Raises RedisError or OSError.
        """
        if not await self._is_mine():
            return await self._until_next()
        is_any = await self._jobs.any()
        films_due_at = storyboards_due_at = self._now()
        with self._guarded():
            films_due_at = await self._films.give_up(is_any)
        with self._guarded():
            rows = await self._rows.generating()
            storyboards_due_at = await self._storyboards.give_up(rows, is_any)
        due_at = min(films_due_at, storyboards_due_at)
        left = timedelta(seconds=min(due_at - self._now(), PATIENCE.total_seconds()))
        pause = max(left, SOON)
        await self._redis.pexpire(self._key, pause - _EARLIER)
        return pause

    async def _is_mine(self) -> bool:
        """Take the lock, which is never released: two workers would do the same."""
        holder = f"{socket.gethostname()}-{os.getpid()}"
        return bool(await self._redis.set(self._key, holder, nx=True, px=SOON - _EARLIER))

    async def _until_next(self) -> timedelta:
        """How long the others need not look: the lock lives until something is due."""
        left_ms: int = await self._redis.pttl(self._key)
        return max(timedelta(milliseconds=left_ms), SOON)

    @contextmanager
    def _guarded(self) -> Generator[None]:
        """Log an exception of the block: it must not end the looks, nor the worker."""
        try:
            yield
        except (ServiceError, ProviderDown, RedisError, OSError) as error:
            self._tell(error)
        except Exception:  # a defect of ours
            logger.exception("The look for overdue jobs failed, the next one is in {}", SOON)

    def _tell(self, error: Exception) -> None:
        if time.monotonic() - self._told_at > _TELL_EVERY_S:
            self._told_at = time.monotonic()
            logger.warning("Overdue jobs are looked for again in {}: {}", SOON, error)
