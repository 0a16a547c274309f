"""Adds jobs to a queue in place of finished ones of the same id."""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from redis.asyncio import Redis

from bullmq_consumer.engine.queues import Queues
from bullmq_consumer.new_job import JobDefaults, NewJob, bulk_entry
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.pipelined_client import PipelinedClient

if TYPE_CHECKING:
    from bullmq import Queue

logger = logging.getLogger(__name__)

T = TypeVar("T")


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
            own = [bulk_entry(job, self._defaults) for job in jobs if job.queue == name]
            addition = Addition(await self._queues.called(name), own)
            await addition.send()
            if addition.kept_out:
                await addition.remove_ended()
                await addition.send_again()


class Addition:
    """Jobs that are added to one queue, in three steps; each may be repeated until it succeeds.

    1. `send` adds them. BullMQ silently drops a job whose id another one has, so the ids are looked
       up as well, right before.
    2. `remove_ended` removes the finished jobs that kept new ones out.
    3. `send_again` adds those new ones.

    A look that was answered is not repeated: jobs of a try whose answer was lost may have finished.
    """

    def __init__(self, queue: "Queue", new: Sequence[dict[str, Any]]) -> None:
        self._queue = queue
        self._new = new
        self._ended_at: Sequence[Any] | None = None

    @property
    def kept_out(self) -> list[dict[str, Any]]:
        """The jobs whose id a finished job has."""
        return [new for new, at in zip(self._new, self._ended_at or (), strict=False) if at]

    async def send(self) -> None:
        """Look up the ids, and add the jobs. Raises RedisError, OSError."""
        if self._ended_at is not None:
            await self._add(self._new)
        elif isinstance(self._queue.client, PipelinedClient):
            # One trip: what is sent in one turn goes in one packet, in the order of the calls.
            ended_at, added = await asyncio.gather(
                self._look(), self._add(self._new), return_exceptions=True
            )
            self._ended_at = _checked(ended_at)
            _checked(added)
        else:
            self._ended_at = await self._look()
            await self._add(self._new)

    async def remove_ended(self) -> None:
        """Remove the finished jobs. Raises RedisError, OSError."""
        for one in self.kept_out:
            job_id = one["opts"]["jobId"]
            # What a finished parent leaves of its children is theirs: they may have own ids.
            if await self._queue.remove(job_id, {"removeChildren": False}) != 1:
                what = "Job %s has ended and was not removed: its new one is dropped"
                logger.warning(what, job_id)

    async def send_again(self) -> None:
        """Add the jobs that were kept out. Raises RedisError, OSError."""
        await self._add(self.kept_out)

    async def _look(self) -> Sequence[Any]:
        """When the jobs of these ids ended; None for those that have not, or are not there."""
        keys = [self._queue.toKey(one["opts"]["jobId"]) for one in self._new]
        client = self._queue.client
        if isinstance(client, PipelinedClient):
            return await asyncio.gather(*(client.hget(key, "finishedOn") for key in keys))
        # Another client would open a connection for each.
        async with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hget(key, "finishedOn")
            return await pipe.execute()

    async def _add(self, new: Sequence[dict[str, Any]]) -> None:
        if not isinstance(self._queue.client, PipelinedClient):
            await self._queue.addBulk(list(new))
            return
        # The library's transaction takes another connection, and three trips.
        adding = (self._queue.add(one["name"], one["data"], one["opts"]) for one in new)
        for added in await asyncio.gather(*adding, return_exceptions=True):
            _checked(added)


def _checked(answer: T | BaseException) -> T:
    """The answer. Raises it if it is an error."""
    if isinstance(answer, BaseException):
        raise answer
    return answer
