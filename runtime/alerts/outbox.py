"""One channel's queue of notices, sent one after the other at the channel's pace."""

import asyncio
from datetime import timedelta

from loguru import logger

from bullmq_consumer.health.log_throttle import LogThrottle
from core.alert import Notice
from core.errors import ServiceError, is_transient
from services.alerts.channels import Channel

# Grouping limits notices to some forty a minute; a longer queue means an unreachable channel.
_MAX_WAITING = 100
_SEND_S = 15
# Before the second and the third try, unless the channel says how long to wait.
_WAITS = (timedelta(seconds=1), timedelta(seconds=5))
# An upper limit for what the channel demands.
_LONGEST_WAIT = timedelta(hours=1)


class Outbox:
    """Never blocks the caller of `put`; an unreachable channel delays no other."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: asyncio.Queue[Notice] = asyncio.Queue(_MAX_WAITING)
        self._closing = asyncio.Event()
        headline = f"Alerts do not reach {channel.name} (see {channel.variable})"
        self._errors = LogThrottle(headline, subject=channel.name)

    def put(self, notice: Notice) -> None:
        """Queue a notice; when the queue is full it is dropped, and that is logged."""
        try:
            self._waiting.put_nowait(notice)
        except asyncio.QueueFull:
            self._errors.failure(asyncio.QueueFull(f"{_MAX_WAITING} alerts wait already"))

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            notice = await self._waiting.get()
            await self._send(notice)
            self._waiting.task_done()
            await self._pause(self._channel.pace)

    async def drain(self) -> None:
        """Send all that is queued, from now on without pauses and retries."""
        self._closing.set()
        await self._waiting.join()

    async def _send(self, notice: Notice) -> None:
        for wait in (*_WAITS, None):
            error = await self._try(notice)
            if error is None:
                self._errors.recovered()
                return
            self._errors.failure(error)
            if wait is None or not is_transient(error) or self._closing.is_set():
                return
            demanded = error.retry_after if isinstance(error, ServiceError) else None
            await self._pause(min(demanded or wait, _LONGEST_WAIT))

    async def _try(self, notice: Notice) -> Exception | None:
        try:
            async with asyncio.timeout(_SEND_S):
                await self._channel.send(notice)
        except TimeoutError:
            return TimeoutError(f"no answer in {_SEND_S} s")
        except ServiceError as error:
            return error
        except Exception as error:  # a defect must not stop later notices
            logger.opt(exception=error).debug("Why an alert did not reach {}", self._channel.name)
            return error
        return None

    async def _pause(self, time: timedelta) -> None:
        try:
            async with asyncio.timeout(time.total_seconds()):
                await self._closing.wait()
        except TimeoutError:
            return
