"""What was done to VidFab, and when: the only excuses that the ledger accepts."""

import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

KILLED = "kill -9 of a worker"
STOPPED = "SIGTERM to a worker"
REDIS_AWAY = "Redis away"
# A job's lock lives for 30 s, and is renewed when half of that has passed.
_LOCK_S = 15.0


@dataclass(frozen=True, slots=True)
class Incident:
    """Times are in seconds since the epoch."""

    round: int
    kind: str
    began: float
    ended: float
    detail: str = ""

    @property
    def outlasts_locks(self) -> bool:
        """Whether jobs may be taken from a living worker because Redis was away."""
        return self.kind == REDIS_AWAY and self.ended - self.began >= _LOCK_S

    def overlaps(self, began: float, ended: float) -> bool:
        return self.began <= ended and self.ended >= began


@dataclass
class Diary:
    """All incidents of a run; `round` is the present one."""

    round: int = 0
    incidents: list[Incident] = field(default_factory=list[Incident])

    def note(self, kind: str, detail: str = "", lasts_s: float = 0) -> None:
        """Something that happens now, and maybe goes on for a while by itself."""
        now = time.time()
        self.incidents.append(Incident(self.round, kind, now, now + lasts_s, detail))

    @contextmanager
    def lasting(self, kind: str, detail: str = "") -> Generator[None]:
        """Something that lasts as long as the block."""
        round_, began = self.round, time.time()
        try:
            yield
        finally:
            self.incidents.append(Incident(round_, kind, began, time.time(), detail))

    def during(self, began: float, ended: float, kinds: Iterable[str]) -> list[Incident]:
        """The incidents of these kinds that a span of time touches."""
        wanted = set(kinds)
        return [one for one in self.incidents if one.kind in wanted and one.overlaps(began, ended)]

    def extended(self, ended: float, margin_s: float) -> float:
        """The end of a write to Redis that was begun at `ended`: it waits while Redis is away."""
        away = self.during(ended, ended + margin_s, [REDIS_AWAY])
        return max((one.ended for one in away), default=ended) + margin_s
