"""A job to add to the queue, with the options that its producer would write."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_PRIORITY = 2**21
"""BullMQ's own; beyond it one job would be put among those of the next priority."""


@dataclass(frozen=True, slots=True)
class JobDefaults:
    """The default options of jobs, as in the `defaultJobOptions` of a Node queue.

    `backoff_ms` is the first pause of an exponential backoff. None keeps all finished jobs.
    """

    attempts: int = 1
    backoff_ms: int = 0
    remove_on_complete: bool | int | None = None
    remove_on_fail: bool | int | None = None


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to add. None means the default option.

    `priority` is 1 (first) to 2 097 152; jobs without one come before all others. `delay_ms` is how
    long it waits before it is ready. `remove_on_complete` and `remove_on_fail` are True or the
    number of finished jobs to keep. `queue` is another queue of the same Redis and prefix.

    Raises ValueError for what Node's BullMQ refuses, such as an id or a queue with a colon, an id
    that is a number, or another priority; TypeError for a value of another type.
    """

    name: str
    job_id: str
    data: Mapping[str, Any]
    priority: int | None = None
    attempts: int | None = None
    backoff_ms: int | None = None
    remove_on_complete: bool | int | None = None
    remove_on_fail: bool | int | None = None
    delay_ms: int = 0
    queue: str | None = None

    def __post_init__(self) -> None:
        _check_text(self.name, "name")
        _check_text(self.job_id, "id")
        if self.queue is not None:
            _check_text(self.queue, "queue")
            if ":" in self.queue:
                raise ValueError(f"The name of a queue holds no colon: {self.queue[:100]!r}")
        _check_number(self.priority, "priority", 1, MAX_PRIORITY)
        _check_number(self.attempts, "attempts", 1)
        _check_number(self.delay_ms, "delay", 0)
        if fault := fault_of_id(self.job_id):
            raise ValueError(f"{fault}, as BullMQ would refuse {self.job_id[:100]!r}")


def _check_text(value: object, called: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"A job's {called} is a text, not {type(value).__name__}")
    if not value:
        raise ValueError(f"A job's {called} is not empty")


def _check_number(value: object, called: str, least: int, most: int | None = None) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"A job's {called} is a whole number, not {type(value).__name__}")
    if value < least or (most is not None and value > most):
        bounds = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"A job's {called}: {bounds}, not {value}")


def fault_of_id(job_id: str) -> str | None:
    """Why Node refuses a job's id; the Python port takes it, and another job may get its number."""
    if ":" in job_id:
        return "An id holds no colon: use _ in its place"
    if job_id.isdecimal():
        return "An id is no number: put a word in front"
    return None


def bulk_entry(job: NewJob, defaults: JobDefaults, trace: str | None = None) -> dict[str, Any]:
    """An entry for BullMQ's `addBulk`: `{name, data, opts}`. `trace` is a tracer's metadata."""
    return {"name": job.name, "data": dict(job.data), "opts": _options(job, defaults, trace)}


def _options(job: NewJob, defaults: JobDefaults, trace: str | None) -> dict[str, Any]:
    options = {
        "jobId": job.job_id,
        "priority": job.priority,
        "attempts": job.attempts or defaults.attempts,
        "backoff": {
            "type": "exponential",
            "delay": _first_set(job.backoff_ms, defaults.backoff_ms),
        },
        "removeOnComplete": _first_set(job.remove_on_complete, defaults.remove_on_complete),
        "removeOnFail": _first_set(job.remove_on_fail, defaults.remove_on_fail),
        "delay": job.delay_ms or None,
        "tm": trace,  # as it stands in Redis: the Python port has no longer name for it
    }
    return {name: value for name, value in options.items() if value is not None}


def _first_set(value: int | None, default: int | None) -> int | None:
    return default if value is None else value
