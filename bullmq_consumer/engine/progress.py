"""Progress events of a job, sent in the background and rate-limited."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

# The maximum of events of one job per second; those in between are omitted.
_A_SECOND = 4
_SECOND_S = 1.0
# A job that ends sooner sends its events together.
_TOGETHER_S = 0.005


class ProgressStream:
    """The progress events of one attempt.

    `send` sends one at once, before all that is sent later; `failed` is called with the error if
    that is what its future gets. The first and the last event are always sent. While Redis does not
    answer, four are pending.
    """

    def __init__(
        self,
        send: Callable[[str], asyncio.Future[Any]],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._send = send
        self._failed = failed
        self._unsent: list[str] = []
        self._sent_at: deque[float] = deque(maxlen=_A_SECOND)
        self._sending: set[asyncio.Future[Any]] = set()
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

    def end(self) -> None:
        """Send the last event: later commands to Redis come after it."""
        self._is_over = True
        self._stop_timer()
        self._send_all()

    def drop(self) -> None:
        """Send nothing more."""
        self._is_over = True
        self._stop_timer()
        self._unsent = []

    def _wait_s(self, *, more: int) -> float:
        """How long one event has to wait, when `more` others are about to be sent."""
        if len(self._sent_at) + more < _A_SECOND:
            return 0.0
        now = asyncio.get_running_loop().time()
        recent = [*self._sent_at, *[now] * more]
        return max(0.0, recent[-_A_SECOND] + _SECOND_S - now)

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
            sending = self._send(progress)
            self._sending.add(sending)
            sending.add_done_callback(self._sent)

    def _sent(self, sending: asyncio.Future[Any]) -> None:
        self._sending.discard(sending)
        if not sending.cancelled() and (error := sending.exception()) is not None:
            self._failed(error)
        self._set_timer()
