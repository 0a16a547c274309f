"""What a job tells people of itself, sent beside its work and not too often."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

# How many events of one job may go out within a second; those in between are left out.
_A_SECOND = 4
_SECOND_S = 1.0
# A job that ends sooner sends its events together with its end.
_TOGETHER_S = 0.005

Progress = Mapping[str, Any]


class ProgressStream:
    """Of one attempt. `send` must bring events into Redis in the order of its calls.

    The first event and the last one are always sent.
    """

    def __init__(self, send: Callable[[Progress], Awaitable[None]]) -> None:
        self._send = send
        self._unsent: list[Progress] = []
        self._sent_at: deque[float] = deque(maxlen=_A_SECOND)
        self._sending: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def put(self, progress: Progress) -> None:
        """Send it within a second, or something newer in its place."""
        loop = asyncio.get_running_loop()
        wait_s = self._wait_s(loop.time(), len(self._unsent))
        if wait_s and self._unsent:
            self._unsent[-1] = progress
        else:
            self._unsent.append(progress)
        if self._timer is None:
            self._timer = loop.call_later(max(wait_s, _TOGETHER_S), self._send_all)

    async def end(self) -> None:
        """Send the last event: what is asked of Redis from now on comes after it."""
        if self._timer is not None:
            self._timer.cancel()
            self._send_all()
        if self._sending:
            await asyncio.sleep(0)  # then each has begun

    def drop(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._unsent = []

    def _wait_s(self, now: float, more: int) -> float:
        """For how long one event may not be sent, when so many `more` are about to be."""
        recent = [*self._sent_at, *[now] * more]
        return max(0.0, recent[-_A_SECOND] + _SECOND_S - now) if len(recent) >= _A_SECOND else 0.0

    def _send_all(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        unsent, self._unsent = self._unsent, []
        for progress in unsent:
            self._sent_at.append(now)
            task = asyncio.create_task(self._one(progress))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _one(self, progress: Progress) -> None:
        await self._send(progress)
