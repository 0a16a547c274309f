"""A check's findings."""

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """The severity of a finding. Only `failed` prevents the worker from working."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding in one sentence; `remedy` is a second one."""

    mark: Mark
    area: str
    text: str
    remedy: str = ""


def ok(area: str, text: str) -> Finding:
    """A finding without a problem."""
    return Finding(Mark.OK, area, text)


def warning(area: str, text: str, remedy: str) -> Finding:
    """The worker works, but less well or less safely."""
    return Finding(Mark.WARNING, area, text, remedy)


def failed(area: str, text: str, remedy: str = "") -> Finding:
    """The worker will not work."""
    return Finding(Mark.FAILED, area, text, remedy)
