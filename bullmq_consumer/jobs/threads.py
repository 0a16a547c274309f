"""Runs `def` handlers, each in a thread of its own, so that the event loop goes on.

A thread cannot be stopped from outside. It is asked, by `SyncJob.stop_reason`; what goes on all the
same is reported, and holds its slot. The threads are daemons: they do not keep a process alive.
"""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError as FutureCancelled
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeAlias

from bullmq_consumer.errors import RetryableError
from bullmq_consumer.jobs.job import Job, SyncJob
from bullmq_consumer.jobs.limit import stopped
from bullmq_consumer.jobs.stop import AttemptStopped, Stop, StopReason

logger = logging.getLogger(__name__)

# A thread that was asked to end gets this long before its job goes back without it.
_UNWIND_S = 0.6
# How often it is reported that a thread goes on beyond its limit.
_REPORT_S = 60.0

End: TypeAlias = tuple[Any, BaseException | None]
"""What a thread returned, or raised."""


class Threads:
    """The threads of one worker. `left` are those that go on although their attempts are over."""

    def __init__(self) -> None:
        self.left: set[threading.Thread] = set()

    async def run(
        self,
        function: Callable[[SyncJob[Any, Any]], Any],
        job: Job[Any, Any],
        stop: Stop,
        limit: timedelta | None = None,
    ) -> Any:
        """The function's result. Raises what it raises, and what the reason of a stop asks for."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[End] = loop.create_future()
        bridge = _Bridge(loop)
        work = contextvars.copy_context().run, function, SyncJob(job, bridge.wait_for)
        thread = threading.Thread(
            target=_work, args=(*work, loop, ended), name=f"job {job.id}", daemon=True
        )
        thread.start()
        with _Reminder(loop, stop, limit, thread.name):
            try:
                await asyncio.wait({ended})
            except asyncio.CancelledError:
                await asyncio.wait({ended}, timeout=_UNWIND_S)
                if not ended.done():
                    self._leave(thread, ended)
                raise
            finally:
                bridge.close(stop.reason)
        return _result(ended.result(), limit)

    def _leave(self, thread: threading.Thread, ended: asyncio.Future[End]) -> None:
        self.left.add(thread)
        ended.add_done_callback(lambda _: self.left.discard(thread))
        logger.error("The thread of %s goes on although its attempt is over", thread.name)


class _Reminder:
    """Asks a thread to end when its limit has passed, and reports for how long it goes on."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, stop: Stop, limit: timedelta | None, name: str
    ) -> None:
        self._loop = loop
        self._stop = stop
        self._name = name
        self._limit_s = None if limit is None else limit.total_seconds()
        self._over_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        if self._limit_s is not None:
            self._timer = self._loop.call_later(self._limit_s, self._remind)

    def __exit__(self, *error: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _remind(self) -> None:
        self._stop.ask(StopReason.TIMEOUT)
        line = "The thread of %s was asked to end: it has run %.0f s longer than its %.0f s"
        logger.warning(line, self._name, self._over_s, self._limit_s)
        self._over_s += _REPORT_S
        self._timer = self._loop.call_later(_REPORT_S, self._remind)


class _Bridge:
    """By which a thread has something done on the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._over: StopReason | None = None

    def close(self, reason: StopReason | None) -> None:
        """Refuse whatever the thread asks from now on."""
        self._over = reason or StopReason.SHUTDOWN

    def wait_for(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run it on the loop, and wait in the calling thread."""
        if self._over is not None:
            work.close()
            raise AttemptStopped(self._over)
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except FutureCancelled:
            raise AttemptStopped(self._over or StopReason.SHUTDOWN) from None


def _work(
    run: Callable[..., Any],
    function: Callable[[SyncJob[Any, Any]], Any],
    job: SyncJob[Any, Any],
    loop: asyncio.AbstractEventLoop,
    ended: "asyncio.Future[End]",
) -> None:
    """In the thread."""
    end: End
    try:
        end = run(function, job), None
    except BaseException as error:  # everything that ends the thread ends the attempt
        end = None, error
    with suppress(RuntimeError):  # the loop has ended before
        loop.call_soon_threadsafe(_note, ended, end)


def _note(ended: "asyncio.Future[End]", end: End) -> None:
    if not ended.done():
        ended.set_result(end)


def _result(end: End, limit: timedelta | None) -> Any:
    result, error = end
    match error:
        case None:
            return result
        case AttemptStopped():
            raise stopped(error.reason, limit) from error
        case Exception():
            raise error
        case _:
            raise RetryableError(f"The handler raised {type(error).__name__}") from error
