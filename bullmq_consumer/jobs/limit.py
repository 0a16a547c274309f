"""Ends an attempt on the event loop: its time limit, a request, or a part that was cancelled."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from types import TracebackType
from typing import Any

from bullmq_consumer.errors import LockLost, RequeueLater, RetryableError
from bullmq_consumer.jobs.stop import Stop, StopReason


class Within:
    """`with Within(limit, stop):` in a task cancels its block when the limit passes, or on request.

    Raises what the reason of the stop makes of the attempt. It is what `asyncio.timeout` is, but
    without four coroutines and a rescheduling, which each attempt would pay for.
    """

    def __init__(self, limit: timedelta | None, stop: Stop) -> None:
        self._limit = limit
        self._stop = stop
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._timer: asyncio.Handle | None = None
        self._is_over = False

    def __enter__(self) -> None:
        if self._stop.is_asked and self._stop.reason is not None:
            raise stopped(self._stop.reason, self._limit)
        self._task = task = asyncio.current_task()
        assert task is not None
        self._cancelling = task.cancelling()
        if self._limit is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._limit.total_seconds(), self._cancel)
        self._stop.interrupt = self._interrupt

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.interrupt = _nothing
        if self._timer is not None:
            self._timer.cancel()
        if not self._is_over or self._task is None:
            return
        # Cancelled by somebody else, too, it stays cancelled.
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            self._stop.ask(StopReason.TIMEOUT)
            raise stopped(self._stop.reason or StopReason.TIMEOUT, self._limit) from error

    def _interrupt(self) -> None:
        """Not at once: a block that asks for it itself may end before it waits again."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._is_over:
            self._timer = asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._is_over = True
            self._task.cancel()


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


def contained(error: BaseException) -> Exception:
    """What an attempt fails with by this; for use in `except BaseException`.

    Raises what ends more than the attempt: KeyboardInterrupt, and the cancelling of its own task.
    """
    match error:
        case Exception():
            return error
        case asyncio.CancelledError():
            if is_cancelled():
                raise error
            # Not by the worker: a cancelled task was awaited.
            return RetryableError("A part of the job was cancelled from within")
        case KeyboardInterrupt() | GeneratorExit():
            raise error
        case _:
            found = unforeseen(error)
            found.__cause__ = error
            return found


async def foreseen(call: Awaitable[Any]) -> Any:
    """What ends a program ends an attempt only: `sys.exit` in a library, a panic in its C code."""
    try:
        return await call
    except (Exception, asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise unforeseen(error) from error


def unforeseen(error: BaseException) -> RetryableError:
    """What an attempt fails with that raised what ends a program."""
    return RetryableError(f"The handler raised {type(error).__name__}")


def _nothing() -> None: ...
