"""Manual changes to a queue: add a job, retry a failed one."""

from bullmq import Job, Queue
from redis.asyncio import Redis

from bullmq_consumer.inspect.job import JobViews
from bullmq_consumer.inspect.queue import QueueView
from bullmq_consumer.new_job import JobDefaults, NewJob, bulk_entry
from bullmq_consumer.queue_name import QueueName


class NotChanged(Exception):
    """The queue is unchanged, for the reason in the message, one sentence."""


class QueueEdit:
    """One queue. All methods raise RedisError and OSError."""

    def __init__(self, redis: Redis, queue: QueueName, defaults: JobDefaults) -> None:
        self._name = queue.name
        self._defaults = defaults
        self._queue = Queue(queue.name, {"connection": redis, "prefix": queue.prefix})
        self._jobs = JobViews(redis, queue)
        self._view = QueueView(redis, queue)

    async def add(self, job: NewJob) -> None:
        """Add a job. Raises NotChanged when its id is taken.

        BullMQ would silently drop it, or overwrite the queue's own keys, such as `meta`.
        """
        if job.job_id in self._queue.keys:
            raise NotChanged(f"The queue keeps what it needs under {job.job_id}: take another --id")
        there = await self._jobs.get(job.job_id)
        if there is not None:
            raise NotChanged(
                f"The queue already has a job {job.job_id}, which is {there.state}: nothing was "
                "added. Take another --id, or let that one be removed first"
            )
        await self._queue.addBulk([bulk_entry(job, self._defaults)])

    async def retry(self, job_id: str) -> None:
        """Move a failed job back to where it waited, with all its attempts. Raises NotChanged."""
        job = await self._jobs.get(job_id)
        if job is None:
            raise NotChanged(f"The queue {self._name} has no job {job_id}")
        if job.state != "failed":
            raise NotChanged(f"Job {job_id} is {job.state}: only failed jobs can be retried")
        if not job.priority and (await self._view.counts()).is_paused:
            raise NotChanged(
                f"Job {job_id} has no priority and the queue is paused, whose resume would lose "
                "it: resume the queue first"
            )
        # Constructed from its name alone: a failed job's payload may be unreadable.
        failed = Job(self._queue, job.name, None, {}, job_id)
        try:
            await failed.retry("failed", {"resetAttemptsMade": True, "resetAttemptsStarted": True})
        except TypeError:  # the library's error for a job that is no longer failed
            raise NotChanged(f"Job {job_id} was retried or removed concurrently") from None
