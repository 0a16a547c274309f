"""A job's lock as its worker knows it: certain for a while, then to be asked for."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

from core.errors import LockLost, RetryableError
from runtime.scripts import LOCK_MS, Hold

# Renewed each 7.5 s in good times. What was confirmed so long ago is asked for before the next
# write; the rest of the lock's 30 s is for that write.
_CERTAIN_S = LOCK_MS / 1000 * 2 / 3


class Lease:
    """The fence of one delivery. `on_loss` is called once; `locked_at` as `now` counts.

    `refused_checkpoint` is what came too late to be saved: for a newer delivery in this process.
    """

    def __init__(
        self,
        job_id: str,
        ask: Callable[[], Awaitable[Hold]],
        on_loss: Callable[[], None],
        locked_at: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.job_id = job_id
        self.is_lost = False
        self.refused_checkpoint: str | None = None
        self._ask = ask
        self._on_loss = on_loss
        self._now = now
        self._confirmed_at = locked_at
        self._asking = asyncio.Lock()

    def confirm(self, at: float) -> None:
        """Redis renewed the lock; it was asked to at `at`."""
        self._confirmed_at = max(self._confirmed_at, at)

    def lose(self) -> None:
        """Somebody else has the job."""
        if not self.is_lost:
            self.is_lost = True
            self._on_loss()

    def end(self) -> None:
        """The delivery is over: what is left of it writes nothing more."""
        self.is_lost = True

    async def check(self) -> None:
        """Return while the lock is held. Raises LockLost, or RetryableError if Redis is away."""
        async with self._asking:
            if not self.is_lost and self._now() - self._confirmed_at > _CERTAIN_S:
                await self._ask_redis()
        if self.is_lost:
            raise LockLost

    async def _ask_redis(self) -> None:
        asked_at = self._now()
        try:
            held = await self._ask()
        except (RedisError, OSError) as error:
            raise RetryableError("Redis is away: the job's lock may be lost") from error
        if held is Hold.OURS:
            self.confirm(asked_at)
        else:
            self.lose()
