"""Gives up jobs for which people have waited too long, while the jobs wait for a worker.

A job that runs sees to its own deadline (core/deadline.py); this is for its turn in a backlog,
put-offs, backoff and a paused queue, and for rows whose job is gone. Every worker has one. What is
added after a look is due 12 minutes later at the earliest: at rest one look in that time is enough.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable
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
# Shorter than the pause, so that the worker that looked looks again.
_LOCK_LIFE = SOON * 0.9
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
            try:
                pause = await self.look()
            except (ServiceError, ProviderDown, RedisError, OSError) as error:
                self._tell(error)
            except Exception:  # a defect of ours must not end the looks, nor the worker
                logger.exception("The look for overdue jobs failed, the next one is in {}", SOON)
            await asyncio.sleep(pause.total_seconds())

    async def look(self) -> timedelta:
        """Give up what is overdue, and return when to look again.

        Raises ServiceError, ProviderDown, RedisError or OSError; the next look does the rest.
        """
        rows = await self._rows.generating()  # before Redis: while it fails, that is not asked
        if not await self._is_mine():
            return SOON
        is_any = await self._jobs.any()
        films_due_at = await self._films.give_up(is_any)
        due_at = min(films_due_at, await self._storyboards.give_up(rows, is_any))
        left = timedelta(seconds=min(due_at - self._now(), PATIENCE.total_seconds()))
        return max(left, SOON)

    async def _is_mine(self) -> bool:
        """Take the lock, which is never released: two workers would do the same."""
        holder = f"{socket.gethostname()}-{os.getpid()}"
        return bool(await self._redis.set(self._key, holder, nx=True, px=_LOCK_LIFE))

    def _tell(self, error: Exception) -> None:
        if time.monotonic() - self._told_at > _TELL_EVERY_S:
            self._told_at = time.monotonic()
            logger.warning("Overdue jobs are looked for again in {}: {}", SOON, error)
