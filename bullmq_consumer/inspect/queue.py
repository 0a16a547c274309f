"""A view of a queue for operators: counts, workers, waiting jobs, the last hour. Writes nothing.

All is read from BullMQ's own keys, among them the metrics that Node's `getMetrics()` reads.
"""

import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from bullmq_consumer.inspect.states import PAGE, QueueState, moment
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.scripts.queue_scripts import own_script

# The keys that counts.lua reads, in its order.
_LISTS = ("wait", "active", "paused")
_SETS = ("prioritized", "delayed", "waiting-children", "completed", "failed")
_COUNTED = (*_LISTS, *_SETS, "meta", "metrics:completed", "metrics:failed")
# A prioritized job's score is its priority times this, plus a counter.
_PRIORITY_STEP = 2**32
# Few priorities are in use; the oldest job of each is read.
_PRIORITIES_SEEN = 50


@dataclass(frozen=True, slots=True)
class Counts:
    """Jobs by BullMQ's states. `paused` are jobs without a priority in a paused queue.

    The totals count all jobs that workers with metrics ever ended, removed ones too.
    """

    waiting: int
    prioritized: int
    active: int
    delayed: int
    waiting_children: int
    paused: int
    completed: int
    failed: int
    is_paused: bool
    completed_total: int = 0
    failed_total: int = 0

    @property
    def ready(self) -> int:
        """Jobs that the next free worker takes, with and without a priority."""
        return self.waiting + self.prioritized


@dataclass(frozen=True, slots=True)
class ConnectedWorker:
    """A worker by its connections to Redis. Unnamed ones have an empty `name`."""

    name: str
    address: str
    connections: int
    connected_for: timedelta


@dataclass(frozen=True, slots=True)
class LastHour:
    """Jobs that ended in the last 60 minutes, to the minute."""

    completed: int
    failed: int


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A job that waits for a worker since `since`."""

    job_id: str
    name: str
    since: datetime


class QueueView:
    """One queue. All methods raise RedisError and OSError."""

    def __init__(self, redis: Redis, queue: QueueName) -> None:
        # redis-py's types allow for bytes, which `decode_responses` rules out.
        self._redis: Any = redis
        self._client_name = queue.client_name
        self._counts = own_script(redis, "counts.lua")
        self._queue = QueueState(redis, queue)
        self._key = queue.key

    async def counts(self) -> Counts:
        """All counts, read atomically."""
        found: list[int] = await self._counts(keys=[*map(self._key, _COUNTED)])
        wait, active, paused, prioritized, delayed, children, completed, failed, *rest = found
        is_paused, completed_total, failed_total = rest
        return Counts(
            waiting=wait,
            prioritized=prioritized,
            active=active,
            delayed=delayed,
            waiting_children=children,
            paused=paused,
            completed=completed,
            failed=failed,
            is_paused=bool(is_paused),
            completed_total=completed_total,
            failed_total=failed_total,
        )

    async def counts_by_name(self) -> Mapping[str, Mapping[str, int]]:
        """Jobs by name, then by state (`wait`, `prioritized`, `active`, …; `completed` are kept).

        Reads all jobs, in pages, so the numbers are approximate while the queue changes.
        """
        found: dict[str, Counter[str]] = {}
        for place in ("wait", "paused", "active", "prioritized", "delayed", "completed", "failed"):
            async for page in self._pages(place):
                for name in filter(None, await self._queue.names(page)):
                    found.setdefault(name, Counter())[place] += 1
        return found

    async def _pages(self, place: str) -> AsyncIterator[list[str]]:
        """The ids in a list or set of BullMQ's, a `PAGE` at a time."""
        key, seen = self._key(place), 0
        while True:
            if place in _LISTS:
                # From the end where jobs leave: jobs that are added meanwhile shift nothing.
                page = await self._redis.lrange(key, -seen - PAGE, -seen - 1)
            else:
                page = await self._redis.zrange(key, seen, seen + PAGE - 1)
            if page:
                yield page
            if len(page) < PAGE:
                return
            seen += PAGE

    async def oldest_waiting(self) -> WaitingJob | None:
        """The job that has waited longest, of those that a free worker would take."""
        ids = [*await self._firsts(), *await self._redis.lrange(self._key("wait"), -1, -1)]
        since = await self._fields(ids, "timestamp")
        moments = zip(ids, map(moment, since), strict=True)
        waiting = [(at, job_id) for job_id, at in moments if at is not None]
        if not waiting:
            return None
        at, job_id = min(waiting)
        [name] = await self._fields([job_id], "name")
        return WaitingJob(job_id, name or "", at)

    async def _firsts(self) -> list[str]:
        """The first job of each priority."""
        ids: list[str] = []
        least = 0
        for _ in range(_PRIORITIES_SEEN):
            found = await self._redis.zrange(
                self._key("prioritized"),
                least,
                "+inf",
                byscore=True,
                offset=0,
                num=1,
                withscores=True,
            )
            if not found:
                break
            [(job_id, score)] = found
            ids.append(job_id)
            least = (math.floor(score / _PRIORITY_STEP) + 1) * _PRIORITY_STEP
        return ids

    async def _fields(self, job_ids: Sequence[str], field: str) -> list[str | None]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hget(self._key(job_id), field)
            found = await pipe.execute(raise_on_error=False)
        # An id such as `events` names a key that is no job.
        return [one if isinstance(one, str) else None for one in found]

    async def workers(self) -> list[ConnectedWorker] | None:
        """The connected workers by name; None where Redis does not allow `CLIENT LIST`."""
        try:
            clients = await self._redis.client_list()
        except (NoPermissionError, ResponseError):
            return None
        by_worker: dict[str, list[dict[str, str]]] = {}
        for client in clients:
            base, _, name = client["name"].partition(":w:")
            if base == self._client_name:
                by_worker.setdefault(name or client["addr"], []).append(client)
        return [_worker(found) for _, found in sorted(by_worker.items())]

    async def last_hour(self, now_s: float | None = None) -> LastHour:
        """The last hour by BullMQ's own metrics, of all workers with metrics enabled."""
        minute = int((now_s or time.time()) // 60)
        completed = await self._in_last_hour("completed", minute)
        return LastHour(completed, await self._in_last_hour("failed", minute))

    async def _in_last_hour(self, end: str, minute: int) -> int:
        key = self._key(f"metrics:{end}")
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hmget(key, ["count", "prevCount", "prevTS"])
            pipe.lrange(f"{key}:data", 0, 59)
            (count, before, last_ms), points = await pipe.execute()
        return in_last_hour(count, before, last_ms, points, minute)


def in_last_hour(
    count: str | None, before: str | None, last_ms: str | None, points: Sequence[str], minute: int
) -> int:
    """The sum of the last 60 minutes up to `minute` (since the epoch).

    `count - before` belongs to the minute of `last_ms`, `points` to those before it, newest first;
    BullMQ starts a new minute with the first job that ends in it.
    """
    if count is None or last_ms is None:
        return 0
    age = minute - int(float(last_ms) // 60_000)
    if age >= 60:
        return 0
    return int(count) - int(before or 0) + sum(map(int, points[: 59 - age]))


def _worker(clients: Sequence[Mapping[str, Any]]) -> ConnectedWorker:
    _, _, name = clients[0]["name"].partition(":w:")
    oldest = max(int(client["age"]) for client in clients)
    return ConnectedWorker(name, clients[0]["addr"], len(clients), timedelta(seconds=oldest))
