"""When a row of a table about a vendor's answers is about one."""

import re
from typing import Protocol


class Pattern(Protocol):
    """`code` has to fit whole, `message` somewhere in any case, and the status be one of these.

    A part that is left out fits everything.
    """

    @property
    def statuses(self) -> frozenset[int]: ...  # noqa: D102

    @property
    def code(self) -> str: ...  # noqa: D102

    @property
    def message(self) -> str: ...  # noqa: D102


def is_about(pattern: Pattern, status: int | None, code: str, message: str) -> bool:
    """Whether the pattern fits an answer; one inside a 200 has no status."""
    return (
        (not pattern.statuses or status in pattern.statuses)
        and (not pattern.code or re.fullmatch(pattern.code, code) is not None)
        and (not pattern.message or re.search(pattern.message, message, re.I) is not None)
    )
