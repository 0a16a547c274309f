"""The result envelope that the app reads as `returnvalue`."""

import json
from datetime import UTC, datetime
from typing import Any

_as_json = json.JSONEncoder(allow_nan=False).encode


def success(
    data: Any, *, duration_ms: int, attempts_made: int, now: datetime | None = None
) -> dict[str, Any]:
    """Wrap a handler's result, as JSON. Raises ValueError when it is not JSON: NaN, infinities."""
    envelope = {
        "success": True,
        "data": data,
        "duration": duration_ms,
        "retryCount": attempts_made,
        "finishedAt": iso(now or datetime.now(UTC)),
    }
    _as_json(envelope)
    return envelope


def iso(moment: datetime) -> str:
    """A UTC moment as JavaScript's `toISOString()` writes it: `2026-11-24T01:02:03.456Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
