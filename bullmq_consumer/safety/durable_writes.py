"""Durable writes to Redis: repeated until acknowledged."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisError

from bullmq_consumer.health.log_throttle import LogThrottle
from bullmq_consumer.protocol.answers import Refused
from bullmq_consumer.protocol.job import DeliveryKey
from bullmq_consumer.scripts.queue_scripts import Hold, QueueScripts

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

# The client itself bridges an outage of 80 s; a failover or a full disk may take longer.
PATIENCE_S = 15 * 60.0
_PAUSE_S = 1.0
_REFUSALS = 3


class DurableWrites:
    """The durable writes of one worker. `errors` logs what is waited for, rate-limited."""

    def __init__(self, scripts: QueueScripts, errors: LogThrottle) -> None:
        self._scripts = scripts
        self._errors = errors

    async def until_acknowledged(
        self, write: Callable[[], Awaitable[Answer]], patience_s: float = PATIENCE_S
    ) -> Answer:
        """Repeat `write` until it succeeds. Raises RedisError or OSError after `patience_s`."""
        give_up_at = time.monotonic() + patience_s
        while True:
            try:
                return await write()
            except (RedisError, OSError) as error:
                if time.monotonic() + _PAUSE_S > give_up_at:
                    raise
                self._errors.failure(error)
            await asyncio.sleep(_PAUSE_S)

    async def end(self, key: DeliveryKey, write: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """Write how an attempt ended, by one of BullMQ's scripts.

        None when it was written before and only the answer was lost, or when the job is no longer
        ours. Raises Refused when its children keep it from ending so, RedisError or OSError when
        patience is at its end.
        """
        for _ in range(_REFUSALS):
            try:
                return await self.until_acknowledged(write)
            except Refused as error:
                if error.is_for_children:
                    raise
            held = await self.until_acknowledged(lambda: self._scripts.hold(*key))
            if held is not Hold.OURS:
                _log_if_lost(key[0], held)
                return None
        raise RuntimeError(f"BullMQ refuses to end job {key[0]}")


def _log_if_lost(job_id: str, held: Hold) -> None:
    if held is Hold.OTHERS:
        logger.warning("The attempt at job %s ended, but the job is no longer ours", job_id)
