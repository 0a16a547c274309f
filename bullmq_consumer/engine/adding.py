"""Adds jobs to a queue in place of finished ones of the same id."""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis

from bullmq_consumer.engine.queues import Queues
from bullmq_consumer.new_job import JobDefaults, NewJob, bulk_entry
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.pipelined_client import PipelinedClient

if TYPE_CHECKING:
    from bullmq import Queue

logger = logging.getLogger(__name__)


class Adder:
    """Adds jobs from outside of any job, to `queue` unless they name another one.

    `defaults` are the options of all of them.
    """

    def __init__(self, redis: Redis, queue: QueueName, defaults: JobDefaults) -> None:
        self._queues = Queues(redis, queue)
        self._defaults = defaults

    async def add(self, jobs: Sequence[NewJob]) -> None:
        """Add jobs; a finished job of the same id is replaced, an unfinished one stays.

        Raises RedisError or OSError.
        """
        for name in dict.fromkeys(job.queue for job in jobs):
            queue, own = await self._queues.called(name), [job for job in jobs if job.queue == name]
            await remove_finished(queue, [job.job_id for job in own])
            await add_all(queue, [bulk_entry(job, self._defaults) for job in own])


async def remove_finished(queue: "Queue", job_ids: Sequence[str]) -> None:
    """Remove those of the jobs that have ended: BullMQ would silently drop new ones of their id."""
    for job_id, when in zip(job_ids, await _finished(queue, job_ids), strict=True):
        # What a finished parent leaves of its children is theirs: they may have ids of their own.
        if when and await queue.remove(job_id, {"removeChildren": False}) != 1:
            logger.warning("Job %s has ended and was not removed: its new one is dropped", job_id)


async def _finished(queue: "Queue", job_ids: Sequence[str]) -> Sequence[Any]:
    """When each of them ended; None for those that have not, or are not there."""
    keys = [queue.toKey(job_id) for job_id in job_ids]
    if isinstance(queue.client, PipelinedClient):
        # Over the connection that is open anyway, where those of one turn are one packet.
        return await asyncio.gather(*(queue.client.hget(key, "finishedOn") for key in keys))
    # Another client would open a connection for each.
    async with queue.client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hget(key, "finishedOn")
        return await pipe.execute()


async def add_all(queue: "Queue", new: Sequence[dict[str, Any]]) -> None:
    """Add jobs, all or none; for one alone the library's transaction would be three commands."""
    if len(new) > 1:
        await queue.addBulk(new)
        return
    for one in new:
        await queue.add(one["name"], one["data"], one["opts"])
