"""The locks of one worker's jobs: trusted for a while after a renewal, then checked again."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from redis.exceptions import RedisError

from bullmq_consumer.errors import LockLost, RetryableError
from bullmq_consumer.protocol.job import DeliveryKey
from bullmq_consumer.safety.durable_writes import DurableWrites
from bullmq_consumer.scripts.queue_scripts import LOCK, Hold, QueueScripts

# Normally renewed each quarter of the lock. The rest of the lock is for the write itself.
_CERTAIN = 2 / 3

Extend = Callable[[Sequence[DeliveryKey]], Awaitable[Collection[str]]]
"""BullMQ's renewal of many locks; returns the ids of the jobs of which it could not."""


class Lease:
    """The fence of one delivery. `on_loss` is called once; `locked_at` is by the clock `now`.

    If it was confirmed longer ago than `certain_for`, the next `check` queries Redis.
    `refused_checkpoint` came too late to be saved, and is for a newer delivery in this process.
    """

    def __init__(
        self,
        job_id: str,
        query: Callable[[], Awaitable[Hold]],
        on_loss: Callable[[], None],
        locked_at: float,
        now: Callable[[], float] = time.monotonic,
        certain_for: timedelta = LOCK * _CERTAIN,
    ) -> None:
        self.job_id = job_id
        self.is_lost = False
        self.refused_checkpoint: str | None = None
        self._query = query
        self._on_loss = on_loss
        self._now = now
        self._certain_s = certain_for.total_seconds()
        self._confirmed_at = locked_at
        self._querying = asyncio.Lock()

    def confirm(self, at: float) -> None:
        """Redis renewed the lock, by a request sent at `at`."""
        self._confirmed_at = max(self._confirmed_at, at)

    def lose(self) -> None:
        """Stop the delivery: another one has the job, here or elsewhere, or it was removed."""
        if not self.is_lost:
            self.is_lost = True
            self._on_loss()

    def end(self) -> None:
        """The delivery is over: remaining tasks of it must write nothing more."""
        self.is_lost = True

    async def check(self) -> None:
        """Return if the lock is held. Raises LockLost; RetryableError if Redis is unreachable."""
        async with self._querying:
            if not self.is_lost and self._now() - self._confirmed_at > self._certain_s:
                await self._query_redis()
        if self.is_lost:
            raise LockLost

    async def _query_redis(self) -> None:
        requested_at = self._now()
        try:
            held = await self._query()
        except (RedisError, OSError) as error:
            raise RetryableError("Redis is unreachable: the job's lock may be lost") from error
        if held is Hold.OURS:
            self.confirm(requested_at)
        else:
            self.lose()


class Leases:
    """The leases of one worker."""

    def __init__(
        self,
        scripts: QueueScripts,
        writes: DurableWrites,
        extend: Extend,
        lock: timedelta,
    ) -> None:
        self._scripts = scripts
        self._writes = writes
        self._extend = extend
        self._certain_for = lock * _CERTAIN
        self._held: dict[DeliveryKey, Lease] = {}

    def held(self, key: DeliveryKey, locked_at: float, on_loss: Callable[[], None]) -> "_Held":
        """The lease on a job that was taken at `locked_at`, renewed meanwhile.

        A check while Redis takes no writes waits, and burns no attempt.
        """

        async def query() -> Hold:
            return await self._writes.until_acknowledged(lambda: self._scripts.hold(*key))

        lease = Lease(key[0], query, on_loss, locked_at, certain_for=self._certain_for)
        return _Held(self._held, key, lease)

    def of(self, job_id: str) -> list[Lease]:
        """Those of a job, which may have an older and a newer delivery here."""
        return [lease for lease in self._held.values() if lease.job_id == job_id]

    async def renew(self, held: Sequence[DeliveryKey]) -> None:
        """Renew locks, or take them again; those that others have are lost.

        Raises RedisError, OSError.
        """
        sent_at = time.monotonic()
        kept = [key for key in held if key not in self._held or not self._held[key].is_lost]
        if not kept:
            return
        failed = {*await self._extend(kept)}
        for key in kept:
            is_ours = key[0] not in failed or await self._scripts.hold(*key) is Hold.OURS
            lease = self._held.get(key)
            if lease is not None:
                lease.confirm(sent_at) if is_ours else lease.lose()


@dataclass(slots=True)
class _Held:
    """Keeps a lease among the others for as long as the context lasts."""

    leases: dict[DeliveryKey, Lease]
    key: DeliveryKey
    lease: Lease

    def __enter__(self) -> Lease:
        self.leases[self.key] = self.lease
        return self.lease

    def __exit__(self, *_: object) -> None:
        self.lease.end()
        del self.leases[self.key]
