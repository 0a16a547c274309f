"""What a worker does from time to time, whatever its jobs do: renew locks, find stalled jobs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from redis.exceptions import RedisError

from bullmq_consumer.health.log_throttle import LogThrottle
from bullmq_consumer.protocol.commands import Commands, milliseconds
from bullmq_consumer.redis.clock import RedisClock
from bullmq_consumer.safety.in_flight import InFlight
from bullmq_consumer.safety.leases import Leases

logger = logging.getLogger(__name__)

# A stalled check that waited longer than this for an answer waited for Redis to come back.
_PROMPT_S = 5
# Three renewals may go wrong before a lock runs out.
_RENEWALS_A_LOCK = 4


class Upkeep:
    """Of one worker. `max_stalled` is how many workers a job may outlive before it fails."""

    def __init__(
        self,
        commands: Commands,
        leases: Leases,
        in_flight: InFlight,
        clock: RedisClock,
        errors: LogThrottle,
        *,
        lock: timedelta,
        stalled_every: timedelta,
        max_stalled: int,
    ) -> None:
        self._commands = commands
        self._leases = leases
        self._in_flight = in_flight
        self._clock = clock
        self._errors = errors
        self._renew_every = lock / _RENEWALS_A_LOCK
        self._stalled_every = stalled_every
        self._max_stalled = max_stalled
        self._redis_was_unreachable = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *, after_outage: bool) -> None:
        """Begin with a stalled check, as Node's worker does: a job is found by the second one.

        Not `after_outage`: locks ran out meanwhile, and their holders are about to take them again.
        """
        await self._try(self._clock.sync if after_outage else self.check)
        self._tasks = [
            asyncio.create_task(self._every(self._renew_every, self._renew), name="locks"),
            asyncio.create_task(self._every(self._stalled_every, self.check), name="stalled"),
        ]

    def stop(self) -> None:
        """End at once."""
        for task in self._tasks:
            task.cancel()

    async def check(self) -> None:
        """Look for stalled jobs, after our own locks were renewed; not right after an outage.

        Locks ran out while Redis was unreachable, and their holders are about to take them again.
        It also wakes a worker for a job whose marker was lost. Raises RedisError, OSError.
        """
        if self._redis_was_unreachable:
            self._redis_was_unreachable = False
            return
        try:
            async with asyncio.timeout(_PROMPT_S):
                await self._clock.sync()
                await self._renew()
                await self._return_stalled()
        except TimeoutError:
            self._redis_was_unreachable = True

    async def _return_stalled(self) -> None:
        every_ms = milliseconds(self._stalled_every)
        for job_id in await self._commands.return_stalled(self._max_stalled, every_ms):
            logger.warning("⚠️  Stalled: %s", job_id)

    async def _renew(self) -> None:
        if held := self._in_flight.keys:
            await self._leases.renew(held)

    async def _every(self, pause: timedelta, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(pause.total_seconds())
            await self._try(do)

    async def _try(self, do: Callable[[], Awaitable[None]]) -> None:
        try:
            await do()
        except (RedisError, OSError) as error:
            self._errors.failure(error)
        except Exception:  # a defect of ours: the next round may do better
            logger.exception("Renewing locks or looking for stalled jobs failed")
