"""One run of a consumer: from the wait for Redis to its end, watched meanwhile."""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from enum import IntEnum
from functools import partial

from bullmq_consumer.engine.consumer import Consumer
from bullmq_consumer.health.liveness import LastSigns, until_starved
from bullmq_consumer.redis import clients as redis_client
from bullmq_consumer.redis.address import RedisAddress
from bullmq_consumer.redis.clients import RedisUnreachable

logger = logging.getLogger(__name__)


class ExitCode(IntEnum):
    """How a run ended, and the process with it."""

    STOPPED = 0
    REFUSED = 1
    """By its own settings, or a Redis that will not be reached by waiting."""
    STUCK = 70
    """Nothing was fetched for minutes although Redis answers: a new process may do better."""
    UNCLEAN = 75
    """Redis was unreachable at the stop: the stalled check of another worker returns the jobs."""


class Life:
    """`why_not` is one line for operators once the run has ended by itself."""

    def __init__(self, consumer: Consumer, redis: RedisAddress, grace: timedelta) -> None:
        self.consumer = consumer
        self.why_not = ""
        self._redis = redis
        self._grace = grace
        self._signs = LastSigns()
        self._stop: asyncio.Event | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether the process should be restarted."""
        return bool(self.why_not) or self._signs.is_stuck()

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop: no more jobs are taken."""
        return self._stop is not None and self._stop.is_set()

    async def live(self, stop: asyncio.Event) -> ExitCode:
        """Take jobs until `stop` is set, or until it makes no sense any more."""
        self._stop = stop
        ping = partial(redis_client.check, self._redis)
        running = asyncio.create_task(self.consumer.run(stop, self._grace), name="worker")
        starved = asyncio.create_task(until_starved(self.consumer, ping, self._signs))
        try:
            await asyncio.wait({running, starved}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                self._give_up("No job was fetched for five minutes although Redis answers")
                stop.set()
            return self._code(await running)
        except RedisUnreachable as error:
            self._give_up(str(error))
            return ExitCode.REFUSED
        except Exception as error:
            self._give_up(f"The loop that takes jobs ended by itself: {error!r}")
            return ExitCode.STUCK
        finally:
            starved.cancel()
            stop.set()
            await _ended(running)  # though this task is cancelled: its jobs must go back

    def _code(self, is_clean: bool) -> ExitCode:
        if self.why_not:
            return ExitCode.STUCK
        return ExitCode.STOPPED if is_clean else ExitCode.UNCLEAN

    def _give_up(self, why: str) -> None:
        self.why_not = why
        logger.critical("The worker gives up: %s", why)


async def _ended(running: asyncio.Task[bool]) -> None:
    """Wait for its stop, which has an end of its own, whoever wants to be gone."""
    while not running.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({running})
