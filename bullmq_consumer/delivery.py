"""One attempt as the queue delivers it. Pure."""

import json
from dataclasses import dataclass, field
from typing import Any, cast

from bullmq_consumer.sanitize.fields import MAX_NUMBER

DeliveryKey = tuple[str, str]
"""Job id and token: the library uses one token for jobs that it fetches at the same time."""

# Our counters in the job's hash; the names are kept, as waiting jobs in Redis have them.
SNOOZES = "putOffs"
FAILURE_WAITS = "settleWaits"

# No real name is longer, and names appear in log lines and responses.
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt at one job. `attempts` is the job's own limit.

    Over all attempts: `snoozes` is how often it was handed back with a delay, `failure_waits` how
    often its failure was deferred because its rows were unreachable. `ready_at` is when a job that
    no worker had before could first be taken, in seconds since the epoch by its producer's clock.
    With a `fault` the job cannot be processed, for that reason, and `data` is its readable part.
    """

    job_id: str
    name: str
    data: Any
    attempts_made: int
    attempts: int
    checkpoint: dict[str, Any] = field(default_factory=dict[str, Any])
    snoozes: int = 0
    failure_waits: int = 0
    ready_at: float | None = None
    fault: str | None = None

    @property
    def is_last_attempt(self) -> bool:
        """Whether BullMQ will not deliver the job again."""
        return self.attempts_made + 1 >= self.attempts


def delivery_of(job: Any) -> Delivery:
    """The delivery of a BullMQ job, as `Fetcher` makes it."""
    own_fields: dict[str, str] = getattr(job, "own_fields", {})
    return Delivery(
        job_id=str(job.id),
        name=str(job.name or "")[:_LONGEST_NAME],
        data=job.data,
        attempts_made=job.attemptsMade,
        attempts=max(job.opts["attempts"], 1),
        checkpoint=read_checkpoint(own_fields.get("checkpoint")),
        snoozes=whole_number(own_fields.get(SNOOZES)),
        failure_waits=whole_number(own_fields.get(FAILURE_WAITS)),
        ready_at=_ready_at(job),
        fault=getattr(job, "fault", None),
    )


def read_checkpoint(text: str | None) -> dict[str, Any]:
    """The checkpoint that a handler saved; empty for anything else."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _ready_at(job: Any) -> float | None:
    delay_ms = job.opts.get("delay", 0)
    if job.attemptsStarted > 1 or not isinstance(delay_ms, int | float):
        return None
    if not delay_ms < MAX_NUMBER:  # true for NaN, too
        return None
    return (job.timestamp + max(delay_ms, 0)) / 1000


def whole_number(text: str | None) -> int:
    """The number in a field of a job's hash, else 0. Python refuses numbers of 4300 digits."""
    return int(text) if text and text.isdecimal() and len(text) < 20 else 0
