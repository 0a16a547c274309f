"""What a job shows: each report in the log, and of those the first, the last and four a second."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sandbox.processes import PATIENCE_S

Progress = dict[str, Any]

_MARK = "⏳ Progress: "
_A_SECOND = 4


def check_events(found: list[Progress], reported: list[Progress], others: int = 0) -> None:
    """What was sent of what was reported: in order, the first, the last, and the first four.

    So many `others` were sent in between.
    """
    assert is_within(found, reported), f"{found} are not among {reported}"
    assert (found[0], found[-1]) == (reported[0], reported[-1])
    assert len(found) + others >= min(len(reported), _A_SECOND)


async def check_log(folder: Path, reported: list[Progress]) -> None:
    """Every report stands in the log of a worker that logs into this folder.

    A thread of the worker writes the log, so a job's end may be known before its last lines are.
    """
    lines = [f"{one['percent']}% - {one['message']}" for one in reported]
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while not _is_logged(folder, lines):  # noqa: ASYNC110 (a file)
                await asyncio.sleep(0.02)
    assert _is_logged(folder, lines), f"not in the log: {lines}"


def _is_logged(folder: Path, lines: list[str]) -> bool:
    logs = [log.read_text("utf-8") for log in folder.glob("worker-*.log")]
    return any(is_within(lines, _reports(log)) for log in logs)


def is_within(some: Iterable[Any], of: Iterable[Any]) -> bool:
    """Whether `some` are `of` with others left out, in the same order."""
    rest = iter(of)
    return all(one in rest for one in some)


def _reports(log: str) -> list[str]:
    return [line.partition(_MARK)[2] for line in log.splitlines() if _MARK in line]
