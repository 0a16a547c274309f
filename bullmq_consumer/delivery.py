"""One attempt as the queue delivers it. Pure."""

import json
from dataclasses import dataclass, field
from typing import Any, cast

from bullmq_consumer.sanitize.fields import MAX_NUMBER

DeliveryKey = tuple[str, str]
"""Job id and token: the library gives jobs that it fetches at the same time one token."""

# Counters of ours in the job's hash, by their first names: jobs that wait in Redis have them.
SNOOZES = "putOffs"
FAILURE_WAITS = "settleWaits"

# Longer names are nobody's, and go into lines and answers.
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt at one job. `attempts` is the job's own limit.

    Over all attempts: `snoozes` is how often it went back with a delay, `failure_waits` how often
    it waited for its rows to be reached. `ready_at` is when a job that no worker had before could
    first be taken, in seconds since the epoch by its producer's clock. With a `fault` the job
    cannot be worked on: it says why, and `data` is what of it could be read all the same.
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
    """Of BullMQ's job, as `Fetcher` makes it."""
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
    """What a handler saved; anything else counts as nothing."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _ready_at(job: Any) -> float | None:
    delay_ms = job.opts.get("delay", 0)
    if job.attemptsStarted > 1 or not isinstance(delay_ms, int | float):
        return None
    if not delay_ms < MAX_NUMBER:  # NaN is not either
        return None
    return (job.timestamp + max(delay_ms, 0)) / 1000


def whole_number(text: str | None) -> int:
    """Of a field of a job's hash, 0 for what is none. Python reads no number of 4300 digits."""
    return int(text) if text and text.isdecimal() and len(text) < 20 else 0
