"""Why one attempt at a job should end before its handler has returned."""

import asyncio
from collections.abc import Callable
from enum import StrEnum


class StopReason(StrEnum):
    """The cause, in words for a log."""

    SHUTDOWN = "shutdown"
    """The worker stops: the job goes back to the queue, no attempt burnt."""
    TIMEOUT = "timeout"
    """It runs longer than its handler may: the attempt has failed."""
    LOCK_LOST = "lock lost"
    """Another worker has the job by now, or it was removed: nothing of it counts any more."""
    REQUESTED = "requested"
    """`Worker.cancel` was called: the attempt has failed."""


class AttemptStopped(BaseException):
    """Ends a `def` handler that was asked to stop, as CancelledError ends an `async def` one.

    Not an `Exception`, so that a handler's own `except Exception` lets it pass.
    """

    def __init__(self, reason: StopReason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Stop:
    """Of one attempt. `stopping` is set when the worker stops; `is_lost` says that its lock is.

    `interrupt` is called when it is asked, where the attempt can be interrupted.
    """

    def __init__(self, stopping: asyncio.Event, is_lost: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._is_lost = is_lost
        self._asked: StopReason | None = None
        self._event = asyncio.Event()
        self.interrupt: Callable[[], None] = lambda: None

    @property
    def reason(self) -> StopReason | None:
        """Why the attempt should end, None while it should go on. Safe to read in any thread."""
        if self._is_lost():
            return StopReason.LOCK_LOST
        if self._asked is None and self._stopping.is_set():
            return StopReason.SHUTDOWN
        return self._asked

    @property
    def is_asked(self) -> bool:
        """Whether the attempt itself was asked, and not the whole worker."""
        return self._asked is not None

    def ask(self, reason: StopReason) -> None:
        """Have the attempt end; the first reason counts."""
        if self._asked is None:
            self._asked = reason
            self._event.set()
            self.interrupt()

    async def wait(self) -> StopReason:
        """Return as soon as there is a reason."""
        while (reason := self.reason) is None:
            waits = [asyncio.create_task(event.wait()) for event in (self._event, self._stopping)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in waits:
                    one.cancel()
        return reason
