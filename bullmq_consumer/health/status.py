"""The worker's status for the endpoints, updated while it starts, runs and stops."""

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

# How long a response of Redis, to the worker or to a PING, counts as fresh.
_FRESH_S = 3.0


class Phase(StrEnum):
    """`STOPPING` from the stop signal on."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass
class WorkerStatus:
    """The worker's status. `started_at` is in seconds since the epoch.

    `lag` is the event loop's largest delay of the last minute or two. `lack` is what the machine
    lacks, None if nothing. `refusal` is why Redis refuses to fetch a job, empty while it does not.
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
        """Whether the worker should be restarted: it fetches nothing although Redis answers."""
        return self.phase is Phase.RUNNING and self.last_signs.is_stuck()


class RedisProbe:
    """Checks whether Redis answers. Sends PING only on request, and only without other traffic."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pinging = asyncio.Lock()
        self._unanswered_at = float("-inf")

    async def answers(self) -> bool:
        """True when Redis answered recently. May take as long as the client's time-out."""
        async with self._pinging:
            if time.monotonic() - TRAFFIC.answered_at < _FRESH_S:
                return True
            if time.monotonic() - self._unanswered_at < _FRESH_S:
                return False
            return await self._ping()

    async def _ping(self) -> bool:
        try:
            # redis-py types its answer as one of the synchronous client's too.
            await self._redis.execute_command("PING")  # pyright: ignore[reportUnknownMemberType]
        except (RedisError, OSError):
            self._unanswered_at = time.monotonic()
            return False
        return True
