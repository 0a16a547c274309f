"""One attempt as the queue delivers it. Pure."""

import json
from dataclasses import dataclass, field
from typing import Any, cast

from bullmq_consumer.protocol.job import Job
from bullmq_consumer.sanitize.fields import MAX_NUMBER

# Counters of ours in the job's hash, by their first names: jobs that wait in Redis have them.
SNOOZES = "putOffs"
FAILURE_WAITS = "settleWaits"

# No real name is longer, and names appear in log lines and responses.
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt at one job. `attempts` is the job's own limit.

    Over all attempts: `snoozes` is how often it went back, with a delay or to the front, for itself
    or an unfit machine; what stops hand back is not counted there. `failure_waits` is how often it
    waited for its rows to be reached. `ready_at` is when a job that no worker had before could
    first be taken, `added_at` when any job was added, both in seconds since the epoch by its
    producer's clock. `progress` is what was last reported, by an earlier attempt. With a `fault`
    the job cannot be worked on: it says why, and `data` is what of it could be read all the same.
    With `is_last_start` the worker will not begin it again.
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
    added_at: float | None = None
    progress: Any = None
    fault: str | None = None
    is_last_start: bool = False

    @property
    def is_last_attempt(self) -> bool:
        """Whether the job will not be delivered again when this attempt fails."""
        return self.is_last_start or self.attempts_made + 1 >= self.attempts


def delivery_of(job: Job) -> Delivery:
    """What the application gets of a job."""
    return Delivery(
        job_id=job.id,
        name=job.name[:_LONGEST_NAME],
        data=job.data,
        attempts_made=job.attempts_made,
        attempts=max(job.attempts, 1),
        checkpoint=read_checkpoint(job.fields.get("checkpoint")),
        snoozes=whole_number(job.fields.get(SNOOZES)),
        failure_waits=whole_number(job.fields.get(FAILURE_WAITS)),
        ready_at=_ready_at(job),
        added_at=job.timestamp / 1000 if job.timestamp else None,
        progress=job.progress,
        fault=job.fault,
        is_last_start=job.is_last_start,
    )


def read_checkpoint(text: str | None) -> dict[str, Any]:
    """The checkpoint that a handler saved; empty for anything else."""
    if not text:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _ready_at(job: Job) -> float | None:
    delay_ms = job.options.get("delay", 0)
    if job.attempts_started > 1 or not isinstance(delay_ms, int | float):
        return None
    if not delay_ms < MAX_NUMBER:  # true for NaN, too
        return None
    return (job.timestamp + max(delay_ms, 0)) / 1000


def whole_number(text: str | None) -> int:
    """The number in a field of a job's hash, else 0. Python refuses numbers of 4300 digits."""
    return int(text) if text and text.isdecimal() and len(text) < 20 else 0
