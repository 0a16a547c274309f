"""The wait for Redis at start-up, since a worker may be started before its Redis."""

import asyncio
import logging
import random
from collections.abc import Iterator

from bullmq_consumer.redis import clients as redis_client
from bullmq_consumer.redis.address import RedisAddress
from bullmq_consumer.redis.clients import RedisUnreachable

logger = logging.getLogger(__name__)

AT_ONCE_S = 2.0
"""A Redis that took longer to answer was unreachable."""
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 10.0


async def until_redis_answers(redis: RedisAddress, stop: asyncio.Event) -> bool:
    """True as soon as Redis answers, False when `stop` is set first.

    Raises RedisUnreachable if waiting does not help.
    """
    waiting = asyncio.create_task(_until_it_answers(redis))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            waiting.result()
        return waiting.done()
    finally:
        waiting.cancel()
        stopped.cancel()
        await asyncio.gather(waiting, stopped, return_exceptions=True)


async def _until_it_answers(redis: RedisAddress) -> None:
    for number, delay_s in enumerate(delays()):
        try:
            return await redis_client.check(redis)
        except RedisUnreachable as error:
            if error.is_final:
                raise
            said = f"{error}. Waiting for it" if number == 0 else f"Still no Redis: {error.reason}"
            logger.warning("%s, next try in %.1f s", said, delay_s)
            await asyncio.sleep(delay_s)
    return None


def delays() -> Iterator[float]:
    """Seconds before each next try, without end; with jitter for workers that start together."""
    longest_s = _FIRST_DELAY_S
    while True:
        yield random.uniform(0.75, 1) * longest_s  # noqa: S311 (no secret)
        longest_s = min(2 * longest_s, _LONGEST_DELAY_S)
