"""Where an error came from, for the `stacktrace` that BullMQ keeps with a job. Pure."""

import traceback
from collections.abc import Iterator

from bullmq_consumer.sanitize.text import one_line

# The innermost frames say most. Ten traces of so many stay below 100 KB of Redis.
_MOST_FRAMES = 20
_LONGEST_LINE = 300


def trace_of(error: BaseException, reason: str) -> str:
    """Like Python's own traceback, the oldest cause first, with `reason` as its last line.

    Causes are named by their type alone: their messages may hold what a log must not, such as a
    signed address.
    """
    lines: list[str] = []
    for one in reversed([*_causes(error)]):
        lines += [*_frames(one), reason if one is error else f"{type(one).__name__}, from which:"]
    return "\n".join(lines)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen and len(seen) < _MOST_FRAMES:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _frames(error: BaseException) -> list[str]:
    stack = traceback.extract_tb(error.__traceback__, limit=-_MOST_FRAMES)
    if not stack:
        return []
    lines = [line for frame in stack for line in _frame(frame)]
    return ["Traceback (most recent call last):", *lines]


def _frame(frame: traceback.FrameSummary) -> list[str]:
    place = f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
    source = one_line(frame.line or "", _LONGEST_LINE)
    return [place, f"    {source}"] if source else [place]
