"""What BullMQ's scripts answer: a job, when to look again, or why they did nothing. Pure."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, cast


class Refusal(IntEnum):
    """Why a script of BullMQ's did nothing, by its codes."""

    GONE = -1
    NO_LOCK = -2
    NOT_ACTIVE = -3
    PENDING_CHILDREN = -4
    NO_PARENT = -5
    OTHERS_LOCK = -6
    FAILED_CHILDREN = -9
    UNKNOWN = 0

    @classmethod
    def _missing_(cls, value: object) -> "Refusal":
        return cls.UNKNOWN


class Refused(Exception):
    """A script found the job gone, locked by another worker, in another state, or not finished."""

    def __init__(self, code: int) -> None:
        self.refusal = Refusal(code)
        super().__init__(f"BullMQ refused: {self.refusal.name} ({code})")

    @property
    def is_for_children(self) -> bool:
        """Whether the job is ours, and cannot complete as its children stand."""
        return self.refusal is Refusal.PENDING_CHILDREN or self.has_failed_children

    @property
    def has_failed_children(self) -> bool:
        """Whether it can never complete."""
        return self.refusal is Refusal.FAILED_CHILDREN


@dataclass(frozen=True, slots=True)
class Taken:
    """What a script brought: a job's hash, or when to look again.

    `limit_ms` is how long a limit holds the queue back, `next_due_ms` when the next delayed job is
    due, in ms since the epoch by the clock of Redis; 0 where there is none.
    """

    fields: dict[str, str] | None = None
    job_id: str = ""
    limit_ms: int = 0
    next_due_ms: int = 0


NOTHING = Taken()
UNSAID = Taken()
"""Of a script that brought no job and does not say why: who wants one has to ask.

To be told apart from NOTHING by its identity.
"""


def taken_of(raw: Any) -> Taken:
    """Of a fetch, or of an end that fetched."""
    if not isinstance(raw, list):
        return NOTHING
    flat, job_id, *times = cast("list[Any]", raw)
    limit_ms, next_due_ms = [max(int(one or 0), 0) for one in [*times, 0, 0][:2]]
    if not flat:
        return Taken(None, "", limit_ms, next_due_ms)
    fields: dict[str, str] = dict(zip(flat[::2], flat[1::2], strict=True))
    return Taken(fields, str(job_id), limit_ms, next_due_ms)


def checked(answer: Any) -> Any:
    """The answer; raises Refused for a code that stands for none."""
    if isinstance(answer, int) and answer < 0:
        raise Refused(answer)
    return answer
