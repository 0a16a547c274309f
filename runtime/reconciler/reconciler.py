"""Repairs what jobs left behind: one round every five minutes, by one worker of the fleet.

Every worker has a reconciler; a lock in Redis lets one of them run each round. What a round does is
in its parts, each in a module of its own.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bullmq_consumer.engine.adding import Adder
from bullmq_consumer.inspect.states import QueueState
from core.alert import AlertSink, no_alerts
from core.errors import ProviderDown, ServiceError
from runtime.reconciler.lost_projects import LostProjects
from runtime.reconciler.part import Part, Tools
from runtime.reconciler.quiet_clips import QuietClips
from runtime.reconciler.superseded import Superseded
from runtime.reconciler.unstored import Unstored
from services.bundle import Services

INTERVAL = timedelta(minutes=5)
# Between a route's update of the row and its adding the job are milliseconds, between attempts of a
# job minutes of backoff: a project older than this without a job in any set has lost it.
AGE = timedelta(minutes=20)

# In this order, one after the other.
_PARTS: Sequence[Callable[[Tools], Part]] = (
    LostProjects,
    QuietClips,
    Unstored,
    Superseded,
)
# The lock's name in earlier versions: during a deploy both run.
_LOCK = "vidfab:watchdog"
# Shorter than the interval, or the previous round's lock would still be held; not much shorter, or
# workers that started at different times would each run a round within it.
_LOCK_SHARE = 0.9
_OUTAGES = (ServiceError, ProviderDown, RedisError, OSError)  # or TimeoutError, which is one


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Reconciler:
    """One worker's reconciler; repairs go to `notify`. `now` is a parameter for tests."""

    def __init__(
        self,
        redis: Redis,
        queue: QueueState,
        adder: Adder,
        services: Services,
        *,
        interval: timedelta = INTERVAL,
        age: timedelta = AGE,
        now: Callable[[], datetime] = _utc_now,
        notify: AlertSink = no_alerts,
    ) -> None:
        self._redis = redis
        self._queue = queue
        self._interval = interval
        self._turn = interval * _LOCK_SHARE
        self._now = now
        tools = Tools(redis, queue, adder, services, age, notify)
        self._parts = [part(tools) for part in _PARTS]

    async def run(self) -> NoReturn:
        """Run a round every `interval`, the first one now, until cancelled."""
        while True:
            try:
                await self.round()
            except _OUTAGES as error:
                self._postpone(error)
            await asyncio.sleep(self._interval.total_seconds())

    async def round(self) -> bool:
        """Repair what can be repaired now; False when another worker has run this round.

        Raises RedisError or OSError when the lock cannot be asked for, or the round takes too long.
        """
        if not await self._is_mine():
            return False
        began = time.monotonic()
        async with asyncio.timeout(self._turn.total_seconds()):
            done = [line for part in self._parts for line in await self._work(part)]
        summary = ", ".join(done) or "nothing to repair"
        logger.info("[HealthCheck] {} ({:.1f} s)", summary, time.monotonic() - began)
        return True

    async def _is_mine(self) -> bool:
        """Take the lock, which is never released: its expiry paces the rounds of all workers."""
        holder = f"{socket.gethostname()}-{os.getpid()}"
        return bool(await self._redis.set(self._queue.key(_LOCK), holder, nx=True, px=self._turn))

    async def _work(self, part: Part) -> Sequence[str]:
        """What the part did; what it could not do is left to the next round."""
        try:
            return await part.work(self._now())
        except _OUTAGES as error:
            self._postpone(error)
        except Exception:  # a defect of ours must not end the rounds, nor the worker
            logger.exception("The reconciler's round failed, the next one is in {}", self._interval)
        return [f"{type(part).__name__} failed"]

    def _postpone(self, error: Exception) -> None:
        reason = str(error) or f"this round took longer than {self._turn}"
        logger.warning("The reconciler tries again in {}: {}", self._interval, reason)
