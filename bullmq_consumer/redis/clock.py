"""The time as Redis has it: delays and limits of a queue go by one clock, not by each worker's."""

import logging
import math
import time
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

logger = logging.getLogger(__name__)

# A clock that never jumps drifts by some milliseconds in that time.
_SYNC_EVERY_S = 600.0
# What the two clocks of a machine may differ by before one of them was set, or it had slept.
_LEAP_S = 1.0
# An answer that took longer says less exactly what time it is: a worker that starts is busy.
_PROMPT_S = 0.01
_MOST_READS = 3
_NO_RIGHT = (
    "Redis does not tell the worker its time (TIME): delays and schedules go by the clock of this "
    "machine"
)


class RedisClock:
    """Reads `TIME` once, then goes on by the machine's clock that never jumps."""

    def __init__(
        self,
        redis: Redis,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._wall = wall
        self._monotonic = monotonic
        self._read_at, self._leap = monotonic(), wall() - monotonic()
        self._time_s = wall()
        self._is_read = False

    def now_ms(self) -> int:
        """Since the epoch; by this machine until `sync` succeeded once."""
        return round((self._time_s + self._monotonic() - self._read_at) * 1000)

    async def sync(self) -> None:
        """Read the time of Redis, if it is due. Raises RedisError, OSError."""
        if not self._is_due():
            return
        best_s = math.inf
        for _ in range(_MOST_READS):
            sent_at = self._monotonic()
            seconds, microseconds = await self._time()
            answered_at = self._monotonic()
            if answered_at - sent_at < best_s:
                best_s = answered_at - sent_at
                # As if the answer took no time: a delayed job may be late by that, never early.
                self._time_s, self._read_at = seconds + microseconds / 1e6, answered_at
                self._leap = self._wall() - answered_at
            self._is_read = True
            if best_s < _PROMPT_S:
                return

    async def _time(self) -> tuple[int, int]:
        try:
            return await self._redis.time()  # pyright: ignore[reportUnknownMemberType]
        except NoPermissionError:
            if not self._is_read:
                logger.warning(_NO_RIGHT)
            now = self._wall()
            return int(now), round(now % 1 * 1e6)

    def _is_due(self) -> bool:
        if not self._is_read or self._monotonic() - self._read_at > _SYNC_EVERY_S:
            return True
        return abs(self._wall() - self._monotonic() - self._leap) > _LEAP_S
