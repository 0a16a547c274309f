"""Progress events of a job, sent in the background and rate-limited."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

# The maximum of events of one job per second; those in between are omitted.
_A_SECOND = 4
_SECOND_S = 1.0
# A job that ends sooner sends its events together.
_TOGETHER_S = 0.005


class ProgressStream:
    """The progress events of one attempt. `send` must keep the order of its calls.

    The first and the last event are always sent. While Redis does not answer, four are pending.
    """

    def __init__(self, send: Callable[[str], Awaitable[None]]) -> None:
        self._send = send
        self._unsent: list[str] = []
        self._sent_at: deque[float] = deque(maxlen=_A_SECOND)
        self._sending: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    def put(self, progress: str) -> None:
        """Send the event, or a newer one instead, within a second; does nothing after `end`."""
        if self._is_over:
            return
        if self._unsent and self._wait_s(more=len(self._unsent)):
            self._unsent[-1] = progress
        else:
            self._unsent.append(progress)
        self._set_timer()

    async def end(self) -> None:
        """Send the last event: later commands to Redis come after it."""
        self._is_over = True
        self._stop_timer()
        self._send_all()
        if self._sending:
            await asyncio.sleep(0)  # then each has started

    def drop(self) -> None:
        """Send nothing more."""
        self._is_over = True
        self._stop_timer()
        self._unsent = []

    def _wait_s(self, *, more: int) -> float:
        """How long one event has to wait, when `more` others are about to be sent."""
        now = asyncio.get_running_loop().time()
        recent = [*self._sent_at, *[now] * more]
        return max(0.0, recent[-_A_SECOND] + _SECOND_S - now) if len(recent) >= _A_SECOND else 0.0

    def _set_timer(self) -> None:
        if self._timer is None and self._unsent and not self._sending:
            wait_s = max(self._wait_s(more=len(self._unsent) - 1), _TOGETHER_S)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._send_all)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send_all(self) -> None:
        self._timer = None
        unsent, self._unsent = self._unsent, []
        for progress in unsent:
            self._sent_at.append(asyncio.get_running_loop().time())
            task = asyncio.create_task(self._one(progress))
            self._sending.add(task)
            task.add_done_callback(self._sent)

    async def _one(self, progress: str) -> None:
        await self._send(progress)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._set_timer()
