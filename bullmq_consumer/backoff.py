"""Jitter for the backoff between a job's attempts. Pure."""

import random
from typing import Any

from bullmq_consumer.sanitize.fields import MAX_NUMBER


def with_jitter(backoff: dict[str, Any] | None, attempt: int) -> dict[str, Any] | None:
    """The backoff with its `jitter` applied for this attempt, counted from 1, as Node does.

    A jitter of 0.3 shortens the pause by up to 30 %. Backoffs without one, and those of
    the producer's own types, are unchanged. The library itself has no jitter.
    """
    if not backoff or backoff.get("type") not in {"fixed", "exponential"}:
        return backoff
    jitter = backoff.get("jitter", 0)
    if not isinstance(jitter, int | float) or not 0 < jitter <= 1:
        return backoff
    grown = 2 ** (attempt - 1) if backoff["type"] == "exponential" else 1
    longest_ms = min(round(grown * backoff["delay"]), MAX_NUMBER)
    delay_ms = int(longest_ms * (1 - jitter * random.random()))  # noqa: S311 (no secret)
    return {"type": "fixed", "delay": delay_ms}
