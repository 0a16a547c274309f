"""Keeps in Redis which codes of services this worker does not know, for `check`."""

import asyncio

from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bullmq_consumer.queue_name import QueueName
from core.unknown_codes import unknown_codes
from services.codes.kept import keep

# They come in bursts, one for each try: one write for many.
_GATHER_S = 5.0
_AFTER_TROUBLE_S = 60.0


async def keep_unknown_codes(redis: Redis, queue: QueueName) -> None:
    """Write them as they come, until cancelled."""
    while True:
        counts = await unknown_codes.take()
        try:
            await keep(redis, queue, counts)
        except (RedisError, OSError) as error:
            logger.debug("Unknown codes wait for Redis: {}", error)
            unknown_codes.put_back(counts)
            await asyncio.sleep(_AFTER_TROUBLE_S)
        await asyncio.sleep(_GATHER_S)
