"""How a job of ours is put on the queue: with the app's own options."""

from typing import Any

from config.settings import Settings
from core.follow_ups import FollowUp


def new_job(job: FollowUp, settings: Settings) -> dict[str, Any]:
    """An entry for BullMQ's `addBulk`: `{name, data, opts}`."""
    return {"name": job.name, "data": dict(job.data), "opts": _options(job, settings)}


def _options(job: FollowUp, settings: Settings) -> dict[str, Any]:
    """The app's own defaults where the job names none."""
    delay = {"delay": job.delay_ms} if job.delay_ms else {}
    return {
        "jobId": job.job_id,
        "priority": job.priority,
        "attempts": job.attempts or settings.queue_max_retries,
        "backoff": {
            "type": "exponential",
            "delay": _first_set(job.backoff_ms, settings.queue_retry_delay_ms),
        },
        "removeOnComplete": _first_set(job.remove_on_complete, 50),
        "removeOnFail": _first_set(job.remove_on_fail, 20),
        **delay,
    }


def _first_set(value: int | None, default: int) -> int:
    return default if value is None else value
