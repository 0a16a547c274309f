"""One job as `/jobs/ID` shows it.

Without `data`, stack traces and the checkpoint.
"""

from datetime import UTC, datetime
from typing import Any

from bullmq_consumer.inspect.job import JobView
from core.jobs.envelope import iso
from runtime.http.redacted import View


def public_job(job: JobView, show: View) -> dict[str, Any]:
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
    return show(shown)


def when(seconds: float) -> str:
    """ISO, of seconds since the epoch."""
    return iso(datetime.fromtimestamp(seconds, UTC))


def _moment(at: datetime | None) -> str | None:
    return None if at is None else iso(at)
