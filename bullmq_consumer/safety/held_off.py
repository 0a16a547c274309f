"""A rate limit that a job of this worker set on the queue, during which it takes no job itself.

BullMQ's scripts look at the limit only for workers that have one of their own; Node's worker, too,
waits for the one that its own job has set.
"""

import asyncio
import time
from contextlib import suppress

from bullmq_consumer.protocol.commands import Commands

# As Node's worker: somebody may have removed the limit meanwhile, or set a longer one.
_LOOK_EVERY_S = 30.0


class HeldOff:
    """Of one worker."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._until = 0.0

    def __bool__(self) -> bool:
        return time.monotonic() < self._until

    def begin(self, duration_ms: int) -> None:
        """Take no job for so long."""
        self._until = time.monotonic() + duration_ms / 1000

    async def look(self, stopping: asyncio.Event) -> None:
        """Wait until it should be over, or for a while, then ask for how long it lasts yet.

        Raises RedisError, OSError.
        """
        left_s = self._until - time.monotonic()
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), min(max(left_s, 0), _LOOK_EVERY_S))
            return
        self.begin(await self._commands.limit_left_ms())
