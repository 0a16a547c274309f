"""How long a job waits for its next attempt, as Node reckons it. Pure."""

import math
import random
from typing import Any

from bullmq_consumer.sanitize.fields import MAX_NUMBER


def pause_ms(backoff: dict[str, Any] | None, attempt: int, unknown_ms: int) -> int:
    """Milliseconds before the attempt that follows this one, which is counted from 1.

    A `jitter` of 0.3 shortens it by up to 30 %. `unknown_ms` is for types that only the producer
    knows.
    """
    if not backoff:
        return 0
    match backoff.get("type"):
        case "fixed":
            longest = backoff.get("delay", 0)
        case "exponential":
            longest = math.floor(2 ** min(attempt - 1, 60) * backoff.get("delay", 0) + 0.5)
        case _:
            return unknown_ms
    longest = min(longest, MAX_NUMBER)
    jitter = backoff.get("jitter", 0)
    if not isinstance(jitter, int | float) or not 0 < jitter <= 1:
        return int(longest)
    return int(longest * (1 - jitter * random.random()))  # noqa: S311 (no secret)
