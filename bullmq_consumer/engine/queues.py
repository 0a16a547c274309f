"""The queues that jobs are added to, by `bullmq`, whose import takes longer than most jobs' adding.

It is loaded with the first job that is added, in a thread: most workers start without it, and some
never add one.
"""

import asyncio
from typing import TYPE_CHECKING

from redis.asyncio import Redis

from bullmq_consumer.queue_name import QueueName

if TYPE_CHECKING:
    from bullmq import Queue

# Each that is made reads all of BullMQ's scripts: milliseconds. Names may be of any number.
_MOST = 20


class Queues:
    """Those of one Redis and prefix; `own` is the worker's."""

    def __init__(self, redis: Redis, own: QueueName) -> None:
        self._redis = redis
        self._own = own
        self._queue_type: type[Queue] | None = None
        self._made: dict[str, Queue] = {}

    async def called(self, name: str | None) -> "Queue":
        """The queue of that name, for None the worker's own."""
        if self._queue_type is None:
            self._queue_type = await asyncio.to_thread(_load)
        name = name or self._own.name
        if name not in self._made:
            options = {"connection": self._redis, "prefix": self._own.prefix}
            self._made[name] = self._queue_type(name, options)
            if len(self._made) > _MOST:
                del self._made[next(iter(self._made))]
        return self._made[name]


def _load() -> "type[Queue]":
    from bullmq import Queue

    return Queue
