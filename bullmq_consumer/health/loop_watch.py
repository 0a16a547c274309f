"""Detects that the event loop was blocked, and where: meanwhile no lock is renewed.

A timer on the loop beats ten times a second. A thread wakes when the next beat is later than the
limit, and reads the loop's stack while it is still blocked. The beat that comes at last writes the
one log line. A blockage shorter than the limit plus one period may not be detected.
"""

import asyncio
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

logger = logging.getLogger(__name__)


LIMIT = timedelta(milliseconds=250)
# Longer than any job's lock and the stalled check after it: other workers have its jobs by then.
GIVE_UP = timedelta(minutes=5)

_PERIOD_S = 0.1
_LINES_A_MINUTE = 6
_PEAK_WINDOW_S = 60
_FRAMES = 5
# How often the thread checks whether a blockage is over.
_POLL_S = 1.0

_PYTHON = Path(asyncio.__file__).parent.parent
# The frame in which asyncio runs a callback; the frames outside of it are always the same.
_CALLING_BACK = ("asyncio", "events.py", "_run")
_NOWHERE = "no place: the whole process was suspended, or it was over before it could be read"


class LoopWatch:
    """Watches the running loop from `__enter__`, in its own thread, to `__exit__`.

    `on_give_up` is called in the watch's thread when one blockage lasts for `give_up`, after
    `drain_logs`, which writes what is logged and waits.
    """

    def __init__(
        self,
        on_give_up: Callable[[], None],
        *,
        limit: timedelta = LIMIT,
        give_up: timedelta = GIVE_UP,
        drain_logs: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_give_up = on_give_up
        self._limit_s = limit.total_seconds()
        self._give_up_s = give_up.total_seconds()
        self._drain_logs = drain_logs
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop-watch", daemon=True)
        self._stack: tuple[str, ...] = ()
        self._peak = _RecentPeak()
        self._log = _BlockageLog()

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._due = time.monotonic()
        self._cpu_s = time.process_time()
        self._schedule()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._next.cancel()
        self._ended.set()
        self._thread.join(_POLL_S)

    def largest_lag(self) -> timedelta:
        """The largest delay of the loop in the last minute or two."""
        return timedelta(seconds=self._peak.value(time.monotonic()))

    # -- on the loop ------------------------------------------------------------------------

    def _schedule(self) -> None:
        self._due = time.monotonic() + _PERIOD_S
        self._cpu_s = time.process_time()
        self._next = self._loop.call_later(_PERIOD_S, self._beat)

    def _beat(self) -> None:
        now = time.monotonic()
        lag_s = max(now - self._due, 0.0)
        self._peak.add(now, lag_s)
        if lag_s > self._limit_s:
            self._log.blocked(now, lag_s, time.process_time() - self._cpu_s, self._stack)
        self._stack = ()
        self._schedule()

    # -- in the thread ----------------------------------------------------------------------

    def _watch(self) -> None:
        deadline = self._due + self._limit_s
        while not self._ended.wait(max(deadline - time.monotonic(), 0)):
            late = self._due
            if time.monotonic() > late + self._limit_s:
                self._stack = self._place_of_blockage(deadline)
                self._wait_for_beat(late)
            deadline = self._due + self._limit_s

    def _place_of_blockage(self, deadline: float) -> tuple[str, ...]:
        """The loop's stack; empty when this thread was late too, without CPU use."""
        own_lag_s = time.monotonic() - deadline
        if own_lag_s > self._limit_s and time.process_time() - self._cpu_s < own_lag_s / 2:
            return ()
        return _stack_of(self._loop_thread)

    def _wait_for_beat(self, late: float) -> None:
        """Wait until the loop runs again. Counts polls, not seconds: a process may be suspended.

        The first polls are short, so that a second blockage right after this one is seen too.
        """
        waited_s, poll_s = self._limit_s, self._limit_s
        while self._due == late and not self._ended.wait(poll_s):
            waited_s += poll_s
            if waited_s >= self._give_up_s:
                self._give_up(waited_s)
                return
            poll_s = min(2 * poll_s, _POLL_S)

    def _give_up(self, waited_s: float) -> None:
        # Logging may be what blocks, and must not prevent the exit.
        arguments = (waited_s, _stack_of(self._loop_thread), self._drain_logs)
        saying = threading.Thread(target=_log_giving_up, args=arguments, daemon=True)
        saying.start()
        saying.join(_POLL_S)
        self._on_give_up()


class _RecentPeak:
    """The largest value of the current window and the one before it."""

    def __init__(self) -> None:
        self._window: int = 0
        self._current = self._before = 0.0

    def add(self, now: float, value: float) -> None:
        self._turn(now)
        self._current = max(self._current, value)

    def value(self, now: float) -> float:
        self._turn(now)
        return max(self._current, self._before)

    def _turn(self, now: float) -> None:
        window = int(now / _PEAK_WINDOW_S)
        if window != self._window:
            self._before = self._current if window == self._window + 1 else 0.0
            self._window, self._current = window, 0.0


class _BlockageLog:
    """Logs one line per blockage, rate-limited; the next line has the number of omitted ones."""

    def __init__(self) -> None:
        self._logged: deque[float] = deque(maxlen=_LINES_A_MINUTE)
        self._omitted = 0

    def blocked(self, now: float, lag_s: float, cpu_s: float, stack: tuple[str, ...]) -> None:
        if len(self._logged) == _LINES_A_MINUTE and now - self._logged[0] < 60:
            self._omitted += 1
            return
        more = f" ({self._omitted} more were not logged)" if self._omitted else ""
        self._logged.append(now)
        self._omitted = 0
        where = " < ".join(stack) or _NOWHERE
        # CPU time distinguishes computing from waiting.
        line = "The event loop was blocked for %.2f s (%.2f s of CPU) in %s%s"
        logger.warning(line, lag_s, cpu_s, where, more)


def _log_giving_up(waited_s: float, stack: tuple[str, ...], drain_logs: Callable[[], None]) -> None:
    line = "The event loop has been blocked for %.0f s, giving up: %s"
    logger.critical(line, waited_s, " < ".join(stack))
    drain_logs()


def _stack_of(thread: int) -> tuple[str, ...]:
    """`file:line in function` of the innermost frame and of our own around it, innermost first."""
    # There is no public API for another thread's stack.
    current = sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage]
    frames = list(_frames(current))
    shown = [frame for index, frame in enumerate(frames) if index == 0 or _is_own(frame)]
    return tuple(map(_name, shown[:_FRAMES]))


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """From the innermost frame to the one in which asyncio ran the callback."""
    while frame is not None and _place(frame) != _CALLING_BACK:
        yield frame
        frame = frame.f_back


def _place(frame: FrameType) -> tuple[str, ...]:
    return (*Path(frame.f_code.co_filename).parts[-2:], frame.f_code.co_name)


def _is_own(frame: FrameType) -> bool:
    """Whether the code is neither Python's nor an installed library's."""
    path = Path(frame.f_code.co_filename)
    return (
        path.is_absolute()
        and not path.is_relative_to(_PYTHON)
        and "site-packages" not in path.parts
    )


def _name(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    root = Path.cwd()
    shown = path.relative_to(root) if path.is_relative_to(root) else Path(*path.parts[-2:])
    return f"{shown}:{frame.f_lineno} in {frame.f_code.co_name}"
