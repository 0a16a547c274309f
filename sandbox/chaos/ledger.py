"""Every addition of a job, told by the queue's events, and what became of it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sandbox.producer import Event

_ENDS = frozenset({"completed", "failed"})


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be; `about` are texts in the ids of the jobs that may tell why."""

    rule: str
    text: str
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """An addition that the app was told of as done."""

    queue: str
    job_id: str
    name: str


@dataclass
class Run:
    """One addition of a job, with all its events until the next addition under the same id."""

    queue: str
    job_id: str
    name: str
    events: list[Event] = field(default_factory=list[Event])

    @property
    def ends(self) -> list[str]:
        return [event.name for event in self.events if event.name in _ENDS]

    @property
    def is_open(self) -> bool:
        return not self.ends

    @property
    def failed_reason(self) -> str:
        """Empty unless it failed."""
        failed = (event for event in self.events if event.name == "failed")
        return next((str(event.args.get("failedReason", "")) for event in failed), "")

    def count(self, name: str) -> int:
        """How many of its events have this name."""
        return sum(event.name == name for event in self.events)

    def trouble(self) -> str | None:
        """Why it does not have exactly one end, and nothing after it; None if it has."""
        if len(self.ends) != 1:
            return f"has {len(self.ends)} ends: {', '.join(self.ends) or 'none'}"
        names = [event.name for event in self.events]
        after = names[names.index(self.ends[0]) :]
        return "was taken up again after its end" if "active" in after else None


class Ledger:
    """Runs by the events that have come so far, in the order of their additions."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.duplicates: Counter[tuple[str, str]] = Counter()
        self.strays: list[Event] = []
        self._latest: dict[tuple[str, str], Run] = {}
        self._taken = 0

    def take(self, events: Sequence[Event]) -> None:
        """Read those events of a growing list that are new."""
        for event in events[self._taken :]:
            if event.job_id is not None:
                self._take(event, event.job_id)
        self._taken = len(events)

    @property
    def open_runs(self) -> list[Run]:
        return [run for run in self.runs if run.is_open]

    def of(self, job_id: str) -> list[Run]:
        """All runs under one id."""
        return [run for run in self.runs if run.job_id == job_id]

    def about(self, texts: Iterable[str]) -> list[Run]:
        """Runs whose ids hold one of the texts."""
        wanted = tuple(texts)
        return [run for run in self.runs if any(text in run.job_id for text in wanted)]

    def violations(self, asked: Sequence[Asked]) -> list[Violation]:
        """Additions without one end, and jobs that the app added and nobody saw."""
        found = [
            Violation("one end", f"{run.name} {run.job_id} {trouble}", (run.job_id,))
            for run in self.runs
            if (trouble := run.trouble()) is not None
        ]
        strays = (
            Violation("one end", f"{event.name} of {event.job_id}, never added", (event.job_id,))
            for event in self.strays
            if event.job_id
        )
        return [*found, *strays, *self._lost(asked)]

    def _lost(self, asked: Sequence[Asked]) -> list[Violation]:
        seen = Counter((run.queue, run.job_id) for run in self.runs) + self.duplicates
        wanted = Counter((one.queue, one.job_id) for one in asked)
        return [
            Violation("none lost", f"{job_id} was added {times} times, seen {seen[queue, job_id]}")
            for (queue, job_id), times in wanted.items()
            if seen[queue, job_id] < times
        ]

    def _take(self, event: Event, job_id: str) -> None:
        key = (event.queue, job_id)
        if event.name == "duplicated":
            self.duplicates[key] += 1
        elif event.name == "added":
            run = self._latest[key] = Run(event.queue, job_id, str(event.args.get("name")))
            self.runs.append(run)
        if key in self._latest:
            self._latest[key].events.append(event)
        elif event.name in _ENDS:
            self.strays.append(event)


@dataclass
class Tally:
    """The runs of one job name."""

    runs: int = 0
    completed: int = 0
    failed: int = 0
    taken_up: int = 0
    stalled: int = 0


def tallies(runs: Iterable[Run]) -> dict[str, Tally]:
    """By job name."""
    found: defaultdict[str, Tally] = defaultdict(Tally)
    for run in runs:
        tally = found[run.name]
        tally.runs += 1
        tally.completed += run.count("completed")
        tally.failed += run.count("failed")
        tally.taken_up += run.count("active")
        tally.stalled += run.count("stalled")
    return dict(sorted(found.items()))
