"""The next iteration of a repeatable job or a job scheduler, as Node's worker writes it."""

from datetime import UTC, datetime
from typing import Any

from bullmq import Job, Worker
from bullmq.job_scheduler import JobScheduler

from bullmq_consumer.schedules.cron import next_due


class Repeating:
    """Adds the next iteration after each job of a schedule.

    Unlike the library's own way, patterns without a time zone use this machine's (`TZ`) and not
    UTC, changes of clocks are handled, and jobs get exactly the app's options.
    """

    def __init__(self, worker: Worker) -> None:
        self._scheduler = JobScheduler(worker, next_millis)

    async def add_next(self, job: Job) -> None:
        """Add the iteration after `job`. Raises ValueError when its schedule cannot be read.

        Its script keeps the job's data with the schedule: see library_scripts.py.
        """
        options = {name: value for name, value in job.opts.items() if value is not None}
        repeat = options.get("repeat")
        await self._scheduler.upsertJobScheduler(
            job.repeatJobKey,
            repeat,
            job.name,
            job.data,
            options,
            override=False,
            producer_id=job.id,
        )


def next_millis(after: int, repeat: dict[str, Any]) -> int | None:
    """When a `pattern` falls due after `after`, in ms since the epoch; None when it is over.

    Raises ValueError when the pattern or the time zone cannot be read.
    """
    start, end = _millis(repeat.get("startDate")), _millis(repeat.get("endDate"))
    found = next_due(str(repeat["pattern"]), max(after, start or 0) / 1000, repeat.get("tz"))
    if found is None or (end and found * 1000 > end):
        return None
    return found * 1000


def _millis(date: Any) -> int | None:
    """The ms of a JavaScript date: a number, or ISO 8601, which is UTC without a time."""
    if isinstance(date, str) and date:
        moment = datetime.fromisoformat(date)
        is_a_day = len(date) == len("2026-01-01")
        return round((moment.replace(tzinfo=UTC) if is_a_day else moment).timestamp() * 1000)
    return int(date) if isinstance(date, int | float) else None
