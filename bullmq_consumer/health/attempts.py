"""This worker's running attempts, and counts of the ended ones by result."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.outcome import Done, Fail, Outcome, Retry

End = Literal["completed", "retried", "failed", "handed_back", "lost"]
"""What became of an attempt. `lost`: another worker has the job."""


class AttemptMeter(Protocol):
    """Counts events. Each call costs microseconds, and none raises."""

    def job_taken(self, name: str, waited_s: float | None) -> None:
        """An attempt started. `waited_s`: since the job was first ready; None if it ran before."""
        ...

    def job_ended(self, name: str, end: End, seconds: float) -> None:
        """An attempt ended, `seconds` after it started."""
        ...


class _Off:
    """Counts nothing."""

    def job_taken(self, name: str, waited_s: float | None) -> None: ...

    def job_ended(self, name: str, end: End, seconds: float) -> None: ...


class HasProgress(Protocol):
    """The source of a job's progress."""

    @property
    def progress(self) -> Mapping[str, Any]:
        """The last reported progress."""
        ...


@dataclass(slots=True, eq=False)
class Attempt:
    """An attempt that runs here since `began_at` (seconds since the epoch)."""

    delivery: Delivery
    handle: HasProgress
    began_at: float = field(default_factory=time.time)
    end: End = "lost"
    _began: float = field(default_factory=time.monotonic)

    @property
    def percent(self) -> int:
        """The progress, 0 to 100."""
        return self.handle.progress.get("percent", 0)

    @property
    def message(self) -> str:
        """The last progress message."""
        return self.handle.progress.get("message", "")

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return time.monotonic() - self._began


class RunningAttempts:
    """All attempts of one worker.

    `ended` counts the ended ones by result. `meter` is called for each: it may be installed later.
    """

    def __init__(self, meter: Callable[[], AttemptMeter] = _Off) -> None:
        self._meter = meter
        self.attempts: list[Attempt] = []
        self.ended: Counter[End] = Counter()

    @contextmanager
    def attempt(self, delivery: Delivery, handle: HasProgress) -> Generator[Attempt]:
        """Track one attempt; set its `end` inside the block."""
        attempt = Attempt(delivery, handle)
        self.attempts.append(attempt)
        self._meter().job_taken(delivery.name, _waited_s(delivery, attempt.began_at))
        try:
            yield attempt
        finally:
            self.attempts.remove(attempt)
            self.ended[attempt.end] += 1
            self._meter().job_ended(delivery.name, attempt.end, attempt.seconds)


def end_of(outcome: Done | Outcome) -> End:
    """The result by the outcome."""
    match outcome:
        case Done():
            return "completed"
        case Retry():
            return "retried"
        case Fail():
            return "failed"
        case _:
            return "handed_back"


def _waited_s(delivery: Delivery, now_s: float) -> float | None:
    """The wait by the clocks of two machines, which may differ."""
    return None if delivery.ready_at is None else max(now_s - delivery.ready_at, 0)
