"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """Only what is `failed` keeps the worker from its work."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in one sentence; `remedy` is what to do about it, in another."""

    mark: Mark
    area: str
    text: str
    remedy: str = ""


def ok(area: str, text: str) -> Finding:
    """As it should be."""
    return Finding(Mark.OK, area, text)


def warning(area: str, text: str, remedy: str) -> Finding:
    """It will work, less well or less safely."""
    return Finding(Mark.WARNING, area, text, remedy)


def failed(area: str, text: str, remedy: str = "") -> Finding:
    """It will not work."""
    return Finding(Mark.FAILED, area, text, remedy)
