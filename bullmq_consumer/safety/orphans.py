"""Finds and hands back orphaned jobs: those in a response of Redis that was lost.

Such a job is active under our lock, but nothing runs it. The client repeats the command, which
returns another job; the first one would wait for two stalled checks, up to a minute.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bullmq_consumer.protocol.job import DeliveryKey
from bullmq_consumer.redis.traffic import TRAFFIC
from bullmq_consumer.sanitize.fields import COUNTERS, corrupt_fields
from bullmq_consumer.scripts.queue_scripts import Hold, QueueScripts

logger = logging.getLogger(__name__)

# Swept twice: a Redis that was frozen may execute commands of the broken connection after those of
# the next one.
_SWEEPS_AFTER_S = (0.0, 5.0)


class Orphans:
    """Of one worker, by the tokens that it locks jobs with. `known` holds the jobs it knows of."""

    def __init__(self, redis: Redis, scripts: QueueScripts, known: Container[DeliveryKey]) -> None:
        # redis-py's types allow for bytes, which `decode_responses` rules out.
        self._redis: Any = redis
        self._scripts = scripts
        self._tokens = f"{uuid4().hex}:"
        self._known = known
        self._pending: Counter[str] = Counter()
        self._is_due = self._is_stopped = False
        self._sweeping: asyncio.Task[None] | None = None

    def token(self, number: int) -> str:
        """To lock a job with; its number is one that no other has."""
        return f"{self._tokens}{number}"

    def tracked(self, token: str) -> "_Tracked":
        """Wraps a command that may return a job under this token; a lost reply causes a sweep."""
        return _Tracked(self, token, TRAFFIC.broken)

    def begin(self, token: str) -> None:
        """A command that may return a job under this token is about to be sent."""
        self._pending[token] += 1

    def end(self, token: str) -> None:
        """It was answered, or is given up."""
        self._pending[token] -= 1
        if not self._pending[token]:
            del self._pending[token]

    async def hand_back(self) -> None:
        """Hand back all orphans that there are now. Raises RedisError or OSError."""
        for job_id, token in await self._ours():
            if self._pending[token] or (job_id, token) in self._known:
                continue
            await self._remove_corrupt_counters(job_id)
            if await self._scripts.hand_back(job_id, token) is Hold.OURS:
                logger.warning("Job %s was orphaned by a lost response: handed back", job_id)

    async def _remove_corrupt_counters(self, job_id: str) -> None:
        """Remove counters that are no integers: they break each script that takes the job."""
        texts = await self._redis.hmget(self._scripts.key(job_id), COUNTERS)
        if bad := corrupt_fields(dict(zip(COUNTERS, texts, strict=True))):
            await self._scripts.forget(job_id, *bad)

    def stop(self) -> None:
        """Stop sweeping, for good."""
        self._is_stopped = True
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def _ours(self) -> list[DeliveryKey]:
        """The active jobs under our locks."""
        job_ids = await self._redis.lrange(self._scripts.key("active"), 0, -1)
        if not job_ids:
            return []
        locks = await self._redis.mget([self._scripts.key(f"{one}:lock") for one in job_ids])
        found = zip(job_ids, locks, strict=True)
        return [(job_id, lock) for job_id, lock in found if (lock or "").startswith(self._tokens)]

    def sweep_soon(self) -> None:
        """Start a sweep, as a response that may have held a job was lost."""
        if self._is_stopped:
            return
        self._is_due = True
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.create_task(self._sweep(), name="orphans")

    async def _sweep(self) -> None:
        while self._is_due:
            self._is_due = False
            for pause_s in _SWEEPS_AFTER_S:
                await asyncio.sleep(pause_s)
                await self._sweep_once()

    async def _sweep_once(self) -> None:
        try:
            await self.hand_back()
        except (RedisError, OSError) as error:
            # The next command fails the same way, and causes another sweep.
            logger.warning("Could not look for orphaned jobs: %s", error)
        except Exception:  # a defect of ours, or a lock that is no text
            logger.exception("The search for orphaned jobs failed")


@dataclass(slots=True)
class _Tracked:
    """One command. `broken` counts the tries without a reply that there were before it."""

    orphans: Orphans
    token: str
    broken: int

    def __enter__(self) -> None:
        self.orphans.begin(self.token)

    def __exit__(self, *_: object) -> None:
        self.orphans.end(self.token)
        if TRAFFIC.broken != self.broken:
            self.orphans.sweep_soon()
