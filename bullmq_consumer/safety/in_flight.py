"""The jobs that a worker has: prefetched or running; hands back those that have not started."""

import asyncio
import logging

from redis.exceptions import RedisError

from bullmq_consumer.protocol.job import DeliveryKey
from bullmq_consumer.scripts.queue_scripts import QueueScripts

logger = logging.getLogger(__name__)


class InFlight:
    """The jobs in flight of one worker, from their arrival to their end."""

    def __init__(self, scripts: QueueScripts) -> None:
        self._scripts = scripts
        self._arrived: set[DeliveryKey] = set()
        self._running: dict[DeliveryKey, None] = {}
        self._returning: set[asyncio.Task[None]] = set()

    def __contains__(self, key: DeliveryKey) -> bool:
        return key in self._arrived or key in self._running

    @property
    def running(self) -> int:
        """The number of running jobs."""
        return len(self._running)

    @property
    def keys(self) -> list[DeliveryKey]:
        """All jobs here: their locks are renewed."""
        return [*self._arrived, *self._running]

    def add(self, key: DeliveryKey) -> None:
        """Note a job that arrived."""
        self._arrived.add(key)

    def discard(self, key: DeliveryKey) -> bool:
        """Forget a job that arrived; False when it was handed back meanwhile."""
        if key not in self._arrived:
            return False
        self._arrived.remove(key)
        return True

    def begin(self, key: DeliveryKey) -> bool:
        """Mark a job as running; False when it was handed back meanwhile."""
        if key not in self._arrived:
            return False
        self._arrived.remove(key)
        self._running[key] = None
        return True

    def end(self, key: DeliveryKey) -> None:
        """Note that a job has ended."""
        self._running.pop(key, None)

    async def hand_back(self, key: DeliveryKey) -> None:
        """Hand back a job that arrived while the worker stops."""
        try:
            await self._scripts.hand_back(*key)
        except (RedisError, OSError) as error:
            # The worker tries once more at its end.
            logger.warning("Could not hand back job %s: %s", key[0], error)

    def hand_back_all(self) -> None:
        """Start to hand back all jobs that have not started."""
        for key in self._arrived:
            returning = asyncio.create_task(self.hand_back(key))
            self._returning.add(returning)
            returning.add_done_callback(self._returning.discard)
        self._arrived.clear()

    async def until_returned(self) -> None:
        """Wait until all of them are handed back."""
        if self._returning:
            await asyncio.wait(self._returning)
