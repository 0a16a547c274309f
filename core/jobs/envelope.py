"""The result envelope that the app reads as `returnvalue`."""

from datetime import UTC, datetime
from typing import Any


def success(
    data: Any, *, duration_ms: int, attempts_made: int, now: datetime | None = None
) -> dict[str, Any]:
    """Wrap a handler's result, as JSON. Whether it is, the consumer finds when it writes it."""
    return {
        "success": True,
        "data": data,
        "duration": duration_ms,
        "retryCount": attempts_made,
        "finishedAt": iso(now or datetime.now(UTC)),
    }


def iso(moment: datetime) -> str:
    """A UTC moment as JavaScript's `toISOString()` writes it: `2026-11-24T01:02:03.456Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
