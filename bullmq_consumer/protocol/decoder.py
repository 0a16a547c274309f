"""Makes a job of the hash that a script brought, whatever stands in it."""

import logging
from collections.abc import Callable

from bullmq_consumer.protocol.job import Job, job_of, read_job
from bullmq_consumer.sanitize.fields import sanitized, unreadable
from bullmq_consumer.scripts.queue_scripts import QueueScripts

logger = logging.getLogger(__name__)

# Node's words.
_STARTED_TOO_OFTEN = "job started more than allowable limit"


class Decoder:
    """Of one queue. `releases_id` says of a job's name whether a finished one is removed.

    A job that was begun more than `max_started_attempts` times is only to be failed; None and 0 are
    no bound.
    """

    def __init__(
        self,
        scripts: QueueScripts,
        releases_id: Callable[[str], bool],
        max_started_attempts: int | None = None,
    ) -> None:
        self._scripts = scripts
        self._releases_id = releases_id
        self._max_started_attempts = max_started_attempts

    async def read(self, fields: dict[str, str], job_id: str, token: str, locked_at: float) -> Job:
        """The job, made such that its attempt can run and end. Raises RedisError, OSError.

        Fields over which BullMQ's scripts would trip at its end are removed from its hash.
        """
        safe = sanitized(fields)
        if safe.corrupt:
            await self._scripts.forget(job_id, *safe.corrupt)
        try:
            job = job_of(safe.fields, safe.options, safe.data, job_id, token, locked_at)
            fault = safe.fault
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            # It is active already: left alone it would hold a place until it counts as stalled.
            logger.error("A job cannot be decoded and will fail: %s", type(error).__name__)
            minimal, fault = unreadable(fields)
            job = read_job(minimal, job_id, token, locked_at)
        job.fields, job.fault = fields, fault
        self._release_id(job)
        self._bound_starts(job)
        return job

    def _release_id(self, job: Job) -> None:
        """Here, and so of jobs, too, that stalled too often and are failed unrun.

        But not of one that failed and has a parent: that would go on as if it had no such child,
        where Node's waits until it is retried.
        """
        if self._releases_id(job.name):
            job.options["removeOnComplete"] = True
            if not job.has_parent:
                job.options["removeOnFail"] = True

    def _bound_starts(self, job: Job) -> None:
        """As BullMQ 6: one that fails at its last start keeps the reason of that."""
        if not (most := self._max_started_attempts):
            return
        job.is_last_start = job.attempts_started >= most
        if job.attempts_started > most and job.deferred_failure is None:
            job.deferred_failure = _STARTED_TOO_OFTEN
