"""The payload models of VidFab's jobs, by name."""

from dataclasses import dataclass

from core.jobs.data import JobData
from core.jobs.registry import discover


@dataclass(frozen=True)
class Models:
    """What a handler takes, and its failure hook; None for a job without one."""

    data: type[JobData]
    subject: type[JobData] | None

    @property
    def all(self) -> list[type[JobData]]:
        return [self.data] if self.subject is None else [self.data, self.subject]


def models() -> dict[str, Models]:
    found = {name: entry.registered for name, entry in discover().entries().items()}
    return {
        name: Models(one.takes.type, one.final_failure and one.final_failure.takes.type)
        for name, one in found.items()
    }
