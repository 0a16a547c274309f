"""Ends an attempt on the event loop: its time limit, a request, or a part that was cancelled."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from types import TracebackType
from typing import Any

from bullmq_consumer.errors import LockLost, RequeueLater, RetryableError
from bullmq_consumer.jobs.stop import Stop, StopReason


class Within:
    """`async with Within(limit, stop):` cancels its block when the limit passes, or on request.

    Raises what the reason of the stop makes of the attempt.
    """

    def __init__(self, limit: timedelta | None, stop: Stop) -> None:
        self._limit = limit
        self._stop = stop
        self._scope = asyncio.timeout(None if limit is None else limit.total_seconds())

    async def __aenter__(self) -> None:
        if self._stop.is_asked and self._stop.reason is not None:
            raise stopped(self._stop.reason, self._limit)
        await self._scope.__aenter__()
        self._stop.interrupt = self._interrupt

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.interrupt = _nothing
        try:
            await self._scope.__aexit__(kind, error, trace)
        except TimeoutError as over:
            self._stop.ask(StopReason.TIMEOUT)
            raise stopped(self._stop.reason or StopReason.TIMEOUT, self._limit) from over

    def _interrupt(self) -> None:
        self._scope.reschedule(asyncio.get_running_loop().time())


def stopped(reason: StopReason, limit: timedelta | None) -> Exception:
    """The error that an attempt ends with which was stopped for this reason."""
    match reason:
        case StopReason.SHUTDOWN:
            return RequeueLater(reason="the worker stops")
        case StopReason.TIMEOUT:
            return RetryableError(f"The job ran longer than {limit}")
        case StopReason.LOCK_LOST:
            return LockLost()
        case StopReason.REQUESTED:
            return RetryableError("The attempt was cancelled on request")


def is_cancelled() -> bool:
    """Whether the running task itself was cancelled, and not only what it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def foreseen(call: Awaitable[Any]) -> Any:
    """What ends a program ends an attempt only: `sys.exit` in a library, a panic in its C code."""
    try:
        return await call
    except (Exception, asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise RetryableError(f"The handler raised {type(error).__name__}") from error


def _nothing() -> None: ...
