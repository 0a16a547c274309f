"""A job as a worker gets it: its hash in Redis, read."""

import json
from dataclasses import dataclass, field
from typing import Any

from bullmq_consumer.sanitize.fields import PARENT_FLAGS

_LONG_NAMES = {**PARENT_FLAGS, "kl": "keepLogs", "de": "deduplication"}
"""Of options, by how BullMQ abbreviates them in Redis."""


DeliveryKey = tuple[str, str]
"""Job id and token: the job that the end of another one brings has that one's token."""


@dataclass(slots=True)
class Job:
    """One delivery of a job, locked under `token` since `locked_at` (monotonic, in seconds).

    `timestamp` is when it was added, in ms since the epoch by its producer's clock. With a
    `deferred_failure` it is only to be failed, for that reason. `schedule` is the id of the job
    scheduler, or of BullMQ 5's repeatable job, that made it. `fields` are its hash as it stands in
    Redis, our own fields among them. With a `fault` it cannot be worked on: it says why. With
    `is_last_start` the worker will not begin it again, whatever attempts it has left.
    """

    id: str
    name: str
    token: str
    data: Any
    options: dict[str, Any]
    attempts_made: int
    attempts_started: int
    timestamp: int
    failed_reason: str | None
    deferred_failure: str | None
    stacktrace: list[str]
    progress: Any
    has_parent: bool
    schedule: str | None
    locked_at: float
    fields: dict[str, str] = field(repr=False)
    fault: str | None = None
    is_last_start: bool = False

    @property
    def key(self) -> DeliveryKey:
        """What tells this delivery from others of the same job."""
        return self.id, self.token

    @property
    def attempts(self) -> int:
        """How many it may have."""
        return self.options["attempts"]

    @property
    def is_last_attempt(self) -> bool:
        """Whether a failure of this attempt is the job's."""
        return self.is_last_start or self.attempts_made + 1 >= self.attempts

    @property
    def trace_metadata(self) -> str | None:
        """What names the span that it was added in, BullMQ's `telemetry.metadata`; for a tracer."""
        metadata = self.options.get("tm")
        return metadata if isinstance(metadata, str) else None


def read_job(fields: dict[str, str], job_id: str, token: str, locked_at: float) -> Job:
    """Read a hash of texts alone. Raises as `job_of`."""
    options = json.loads(fields.get("opts") or "{}")
    data = json.loads(fields.get("data") or "{}")
    return job_of(fields, options, data, job_id, token, locked_at)


def job_of(
    fields: dict[str, str],
    options: dict[str, Any],
    data: Any,
    job_id: str,
    token: str,
    locked_at: float,
) -> Job:
    """Read a hash that was sanitized. Raises ValueError, TypeError or AttributeError for others.

    `options` and `data` are what its texts of these hold.
    """
    return Job(
        id=job_id,
        name=fields.get("name", ""),
        token=token,
        data=data,
        options={
            "attempts": 0,
            **{_LONG_NAMES.get(name, name): value for name, value in options.items()},
        },
        attempts_made=_number(fields.get("attemptsMade") or fields.get("atm")),
        attempts_started=_number(fields.get("ats")),
        timestamp=_number(fields.get("timestamp")),
        failed_reason=fields.get("failedReason") or None,
        deferred_failure=fields.get("defa") or None,
        stacktrace=_value(fields.get("stacktrace")) or [],
        progress=_value(fields.get("progress")),
        has_parent=bool(fields.get("parentKey")),
        schedule=fields.get("rjk") or None,
        locked_at=locked_at,
        fields=fields,
    )


def _number(text: str | None) -> int:
    return int(text or 0)


def _value(text: str | None) -> Any:
    """Of JSON; None where there is none."""
    return json.loads(text) if text else None
