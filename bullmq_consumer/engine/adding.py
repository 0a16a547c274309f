"""Adds jobs to a queue in place of finished ones of the same id."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis

from bullmq_consumer.engine.queues import Queues
from bullmq_consumer.new_job import JobDefaults, NewJob, bulk_entry
from bullmq_consumer.queue_name import QueueName

if TYPE_CHECKING:
    from bullmq import Queue


class Adder:
    """Adds jobs to one queue from outside of any job. `defaults` are the options of all of them."""

    def __init__(self, redis: Redis, queue: QueueName, defaults: JobDefaults) -> None:
        self._queues = Queues(redis, queue)
        self._defaults = defaults

    async def add(self, jobs: Sequence[NewJob]) -> None:
        """Add jobs; a finished job of the same id is replaced, an unfinished one stays.

        Raises RedisError or OSError.
        """
        if not jobs:
            return
        queue = await self._queues.called(None)
        await remove_finished(queue, [job.job_id for job in jobs])
        await add_all(queue, [bulk_entry(job, self._defaults) for job in jobs])


async def remove_finished(queue: "Queue", job_ids: Sequence[str]) -> None:
    """Remove those of the jobs that have ended: BullMQ would silently drop new ones of their id."""
    # Over the connection that is open anyway, where those of one turn are one packet.
    finished = await asyncio.gather(
        *(queue.client.hget(queue.toKey(job_id), "finishedOn") for job_id in job_ids)
    )
    for job_id, when in zip(job_ids, finished, strict=True):
        if when:
            await queue.remove(job_id)


async def add_all(queue: "Queue", new: Sequence[dict[str, Any]]) -> None:
    """Add jobs, all or none; for one alone the library's transaction would be three commands."""
    if len(new) > 1:
        await queue.addBulk(new)
        return
    for one in new:
        await queue.add(one["name"], one["data"], one["opts"])
