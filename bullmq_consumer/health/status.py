"""How the worker is, for those who ask; filled while it starts, runs and stops."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bullmq_consumer.health.attempts import RunningAttempts
from bullmq_consumer.health.liveness import LastSigns
from bullmq_consumer.redis.traffic import TRAFFIC

# For how long an answer of Redis stands, to the worker or to a PING.
_FRESH_S = 3.0


class Phase(StrEnum):
    """`STOPPING` from the stop signal on."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass
class WorkerStatus:
    """`started_at` in seconds since the epoch; `lag` is the loop's of the last minute or two.

    `lack` says what the machine lacks, None when nothing.
    `refusal` is why Redis refuses what would fetch a job, empty while it does not.
    """

    started_at: float = field(default_factory=time.time)
    phase: Phase = Phase.STARTING
    attempts: RunningAttempts = field(default_factory=RunningAttempts)
    last_signs: LastSigns = field(default_factory=LastSigns)
    lag: Callable[[], timedelta] = timedelta
    lack: Callable[[], str | None] = lambda: None
    refusal: Callable[[], str] = str

    @property
    def is_stuck(self) -> bool:
        """Whether a new worker would do better: it fetches nothing though Redis answers."""
        return self.phase is Phase.RUNNING and self.last_signs.is_stuck()


class RedisProbe:
    """Whether Redis answers. PING is sent only when asked, and only after nothing else was."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._asking = asyncio.Lock()
        self._silent_at = float("-inf")

    async def answers(self) -> bool:
        """True when Redis answered a moment ago. Takes as long as the client's time-out."""
        async with self._asking:
            if time.monotonic() - TRAFFIC.answered_at < _FRESH_S:
                return True
            if time.monotonic() - self._silent_at < _FRESH_S:
                return False
            return await self._ask()

    async def _ask(self) -> bool:
        try:
            # redis-py types its answer as one of the synchronous client's too.
            await self._redis.execute_command("PING")  # pyright: ignore[reportUnknownMemberType]
        except (RedisError, OSError):
            self._silent_at = time.monotonic()
            return False
        return True
