"""The shortest program that still shows a difference, by leaving steps out."""

import time
from collections.abc import Awaitable, Callable

from tests.interop.steps import Steps

_PATIENCE_S = 60


async def shortest(steps: Steps, differs: Callable[[Steps], Awaitable[bool]]) -> Steps:
    """Leave out what can be left out: halves, quarters, … single steps; for a minute at most."""
    size, begun = len(steps) // 2, time.monotonic()
    while size >= 1:
        start = 0
        while start < len(steps) and time.monotonic() - begun < _PATIENCE_S:
            fewer = [*steps[:start], *steps[start + size :]]
            if fewer and await differs(fewer):
                steps = fewer
            else:
                start += size
        size //= 2
    return steps
