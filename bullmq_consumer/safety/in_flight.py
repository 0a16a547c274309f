"""The jobs that a worker has: arrived and not begun, or at work; and those it returns unbegun."""

import asyncio
import logging

from redis.exceptions import RedisError

from bullmq_consumer.delivery import DeliveryKey
from bullmq_consumer.scripts.queue_scripts import QueueScripts

logger = logging.getLogger(__name__)


class InFlight:
    """Of one worker. A job is in here from its arrival to its end."""

    def __init__(self, scripts: QueueScripts) -> None:
        self._scripts = scripts
        self._arrived: set[DeliveryKey] = set()
        self._at_work: set[DeliveryKey] = set()
        self._returning: set[asyncio.Task[None]] = set()

    def __contains__(self, key: DeliveryKey) -> bool:
        return key in self._arrived or key in self._at_work

    @property
    def running(self) -> int:
        """How many are begun and not ended."""
        return len(self._at_work)

    def add(self, key: DeliveryKey) -> None:
        """It arrived."""
        self._arrived.add(key)

    def begin(self, key: DeliveryKey) -> bool:
        """Its work begins; False when it was returned meanwhile."""
        if key not in self._arrived:
            return False
        self._arrived.remove(key)
        self._at_work.add(key)
        return True

    def end(self, key: DeliveryKey) -> None:
        """Its work ended."""
        self._at_work.discard(key)

    async def hand_back(self, key: DeliveryKey) -> None:
        """Return one that came while the worker stops."""
        try:
            await self._scripts.hand_back(*key)
        except (RedisError, OSError) as error:
            # The worker looks for it once more at its end.
            logger.warning("Could not hand back job %s: %s", key[0], error)

    def hand_back_all(self) -> None:
        """Begin to return all that are not begun."""
        for key in self._arrived:
            returning = asyncio.create_task(self.hand_back(key))
            self._returning.add(returning)
            returning.add_done_callback(self._returning.discard)
        self._arrived.clear()

    async def until_returned(self) -> None:
        """Wait until none is on its way back."""
        if self._returning:
            await asyncio.wait(self._returning)
