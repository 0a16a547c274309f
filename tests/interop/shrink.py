"""The shortest program that still shows a difference, by leaving steps out."""

from collections.abc import Awaitable, Callable

from tests.interop.steps import Steps

_MOST_TRIES = 60


async def shortest(steps: Steps, differs: Callable[[Steps], Awaitable[bool]]) -> Steps:
    """Leave out what can be left out: halves, quarters, … single steps."""
    size, tries = len(steps) // 2, 0
    while size >= 1:
        start = 0
        while start < len(steps) and tries < _MOST_TRIES:
            fewer = [*steps[:start], *steps[start + size :]]
            tries += 1
            if fewer and await differs(fewer):
                steps = fewer
            else:
                start += size
        size //= 2
    return steps
