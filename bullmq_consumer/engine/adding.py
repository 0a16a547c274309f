"""Adds jobs to a queue in place of finished ones of the same id."""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from redis.asyncio import Redis

from bullmq_consumer.engine.queues import Queues
from bullmq_consumer.new_job import JobDefaults, NewJob, bulk_entry
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.pipelined_client import PipelinedClient

if TYPE_CHECKING:
    from bullmq import Queue

logger = logging.getLogger(__name__)

T = TypeVar("T")

_TIMES = ("finishedOn", "timestamp")
_Found: TypeAlias = "Sequence[Any]"
"""These of a job, as texts."""


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

    An answer may be lost, and its command sent again when the jobs have finished already. So a look
    that was answered is not repeated, and a finished job of a new one's time is that one.
    """

    def __init__(self, queue: "Queue", new: Sequence[dict[str, Any]]) -> None:
        self._queue = queue
        self._new = new
        self._found: Sequence[_Found] | None = None
        self._added_at: set[str] = set()

    @property
    def kept_out(self) -> list[dict[str, Any]]:
        """The jobs whose id a finished job has."""
        pairs = zip(self._new, self._found or (), strict=False)
        return [new for new, (at, added_at) in pairs if at and added_at not in self._added_at]

    async def send(self) -> None:
        """Look up the ids, and add the jobs. Raises RedisError, OSError."""
        if self._found is not None:
            await self._add(self._new)
        elif isinstance(self._queue.client, PipelinedClient):
            # One trip: what is sent in one turn goes in one packet, in the order of the calls.
            found, added = await asyncio.gather(
                self._look(), self._add(self._new), return_exceptions=True
            )
            self._found = _checked(found)
            _checked(added)
        else:
            self._found = await self._look()
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

    async def _look(self) -> Sequence["_Found"]:
        """When the jobs of these ids ended, None for those that have not; when they were added."""
        keys = [self._queue.toKey(one["opts"]["jobId"]) for one in self._new]
        client = self._queue.client
        if isinstance(client, PipelinedClient):
            return await asyncio.gather(*(client.hmget(key, *_TIMES) for key in keys))
        # Another client would open a connection for each.
        async with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hmget(key, *_TIMES)
            return await pipe.execute()

    async def _add(self, new: Sequence[dict[str, Any]]) -> None:
        if not isinstance(self._queue.client, PipelinedClient):
            await self._queue.addBulk(list(new))
            return
        # The library's transaction takes another connection, and three trips.
        adding = (self._queue.add(one["name"], one["data"], one["opts"]) for one in new)
        added = await asyncio.gather(*adding, return_exceptions=True)
        self._added_at.update(str(_checked(job).timestamp) for job in added)


def _checked(answer: T | BaseException) -> T:
    """The answer. Raises it if it is an error."""
    if isinstance(answer, BaseException):
        raise answer
    return answer
