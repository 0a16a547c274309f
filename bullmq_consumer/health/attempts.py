"""This worker's running attempts, and counts of the ended ones by result."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

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
    """An attempt that runs here since `began_at` (seconds since the epoch).

    It is among `attempts` while its context lasts.
    """

    delivery: Delivery
    handle: HasProgress
    attempts: "RunningAttempts"
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

    def __enter__(self) -> Self:
        self.attempts.begin(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.attempts.finish(self)


class RunningAttempts:
    """All attempts of one worker.

    `ended` counts the ended ones by result. `meter` is called for each: it may be installed later.
    """

    def __init__(self, meter: Callable[[], AttemptMeter] = _Off) -> None:
        self._meter = meter
        self.attempts: list[Attempt] = []
        self.ended: Counter[End] = Counter()

    def attempt(self, delivery: Delivery, handle: HasProgress) -> Attempt:
        """Track one attempt, as a context; set its `end` inside the block."""
        return Attempt(delivery, handle, self)

    def begin(self, attempt: Attempt) -> None:
        """Note that it has begun."""
        self.attempts.append(attempt)
        waited_s = _waited_s(attempt.delivery, attempt.began_at)
        self._meter().job_taken(attempt.delivery.name, waited_s)

    def finish(self, attempt: Attempt) -> None:
        """Note that it has ended."""
        self.attempts.remove(attempt)
        self.ended[attempt.end] += 1
        self._meter().job_ended(attempt.delivery.name, attempt.end, attempt.seconds)


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
