"""One job as it may be shown to whoever may watch the worker.

Without what people gave for it (`data`), where it failed in the code, and its checkpoint. Addresses
lose their query: a signature there opens what it signs.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from config.redaction import Redact
from core.envelope import iso
from runtime.job_view import JobView

# Up to what may end an address in a text. Without a query it is found too, and passed over: else
# the search would begin anew within it.
_ADDRESS = re.compile(r"(\bhttps?://[^\s\"'<>?#]*)([?#][^\s\"'<>]*)?", re.IGNORECASE)


def public_job(job: JobView, redact: Redact) -> dict[str, Any]:
    """What goes into JSON."""
    shown = {
        "jobId": job.job_id,
        "name": job.name,
        "state": job.state,
        "progress": job.progress,
        "returnvalue": job.returnvalue,
        "failedReason": job.failed_reason,
        "attemptsMade": job.attempts_made,
        "attempts": job.attempts,
        "stalled": job.stalled,
        "waits": job.waits,
        "priority": job.priority,
        "delay": job.delay_ms,
        "worker": job.worker,
        "createdAt": _moment(job.created_at),
        "startedAt": _moment(job.started_at),
        "finishedAt": _moment(job.finished_at),
    }
    return _cleaned(shown, redact)


def when(seconds: float) -> str:
    """ISO, of seconds since the epoch."""
    return iso(datetime.fromtimestamp(seconds, UTC))


def without_queries(text: str) -> str:
    """The text with `?***` for the query and fragment of each address."""
    return _ADDRESS.sub(lambda one: f"{one[1]}?***" if one[2] else one[0], text)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else iso(at)


def _cleaned(value: Any, redact: Redact) -> Any:
    match value:
        case str():
            return without_queries(redact(value))
        case Mapping():
            fields = cast("Mapping[Any, Any]", value)
            return {str(key): _cleaned(one, redact) for key, one in fields.items()}
        case list():
            return [_cleaned(one, redact) for one in cast("list[Any]", value)]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value
