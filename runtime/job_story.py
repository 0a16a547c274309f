"""The lines of one attempt for the job's own log: when it began, what it did, how it ended."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.outcome import Done, Fail, FailLater, Outcome, Requeue, Retry
from bullmq_consumer.sanitize.text import one_line
from config.consumer import WORKER_NAME
from config.logging.redaction import Redact
from core.story import told_in

# Lines of these seconds are one command to Redis: pictures that are bought side by side come so. A
# worker that is killed loses the lines of its last seconds.
_TOGETHER_S = 2.0
# Some 20 KB: Bull Board shows all lines of a log at once. Shotstack, asked every five seconds, gets
# no more than a few of them.
_MOST = 200
# A reason has 500 characters at most.
_LONGEST = 700


@dataclass(slots=True)
class _Polled:
    """The state that was told, since when, and how often it was found again."""

    state: str
    since: float
    again: int = 0


class JobStory:
    """A `Story` that is written to Redis beside the work; `scrub` takes secrets out of its lines.

    A small job that succeeds has nothing to tell, and costs no command.
    """

    def __init__(self, delivery: Delivery, handle: JobHandle, scrub: Redact) -> None:
        self._attempt = f"Attempt {delivery.attempts_made + 1} of {delivery.attempts}"
        self._handle = handle
        self._scrub = scrub
        self._began = time.monotonic()
        self._began_at = datetime.now(UTC)
        self._unsent: list[str] = []
        self._left = _MOST
        self._polled: dict[str, _Polled] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._has_begun = self._is_over = False

    def told(self) -> "_Told":
        """Tell here what is done inside the block; also that it was cancelled, if it is."""
        return _Told(self)

    def cut_off(self) -> None:
        """Tell that the attempt was cancelled, and no more."""
        self._close(f"was cut off {self._after()}")
        self._drop()

    def begin(self) -> None:
        """As `Story.begin`."""
        if not (self._has_begun or self._is_over):
            self._has_begun = True
            self._put(
                f"{self._attempt} began at {self._began_at:%Y-%m-%dT%H:%M:%SZ} on {WORKER_NAME}"
            )

    def add(self, line: str) -> None:
        """As `Story.add`; of more than 200 lines the others are left out."""
        if self._is_over or not self._left:
            return
        self.begin()
        self._left -= 1
        self._put(line if self._left else f"{_MOST} lines are told of an attempt: no more of this")

    def poll(self, what: str, found: str, state: str) -> None:
        """As `Story.poll`."""
        now, known = time.monotonic(), self._polled.get(what)
        if known is not None and known.state == state:
            known.again += 1
            return
        if known is not None:
            self._add_repeated(what, known)
        self._polled[what] = _Polled(state, now)
        self.add(f"{what}: {found}")

    async def end(self, outcome: Done | Outcome, *, is_kept: bool = True) -> None:
        """Tell what became of the attempt, and send all before the job itself ends.

        Of one that succeeded only where there is something to tell, and the job `is_kept`.
        """
        if not isinstance(outcome, Done) or (self._has_begun and is_kept):
            self._close(_told(outcome, self._after()))
        self._drop()
        if self._sending:
            await asyncio.wait(self._sending)

    def _close(self, end: str) -> None:
        """All that is left to tell, and the end."""
        for what, known in self._polled.items():
            self._add_repeated(what, known)
        self.begin()
        self._put(f"{self._attempt} {end}")
        self._send()

    def _after(self) -> str:
        return f"after {time.monotonic() - self._began:.1f} s"

    def _add_repeated(self, what: str, known: _Polled) -> None:
        if known.again:
            times = "once" if known.again == 1 else f"{known.again} times"
            seconds = time.monotonic() - known.since
            self.add(f"{what}: {known.state}, {times} more in {seconds:.0f} s")

    def _put(self, line: str) -> None:
        self._unsent.append(one_line(self._scrub(line), _LONGEST))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TOGETHER_S, self._send)

    def _send(self) -> None:
        self._stop_timer()
        lines, self._unsent = self._unsent, []
        if lines:
            task = asyncio.create_task(self._log(lines))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _log(self, lines: list[str]) -> None:
        await self._handle.log(*lines)

    def _drop(self) -> None:
        self._is_over = True
        self._stop_timer()
        self._unsent = []

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Told(told_in):
    """What is done inside is told; plain, since each job pays for it."""

    def __init__(self, story: JobStory) -> None:
        super().__init__(story)
        self._own = story

    def __exit__(self, *raised: object) -> None:
        if isinstance(raised[1], asyncio.CancelledError):
            self._own.cut_off()
        super().__exit__(*raised)


def _told(outcome: Done | Outcome, after: str) -> str:
    match outcome:
        case Done():
            return f"completed {after}"
        case Retry():
            return f"failed {after} and is tried again: {outcome.reason}"
        case Requeue() | FailLater():
            wait_s = outcome.delay.total_seconds()
            wait = f"waits {wait_s:.0f} s" if wait_s else "goes back at once"
            return f"ended {after} and {wait}, none burnt: {outcome.reason}"
        case Fail():
            return f"failed {after}, for good: {outcome.reason}"
