"""The jobs of a queue and their results, read from BullMQ's own keys; writes nothing."""

# redis-py types its commands only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any

from redis.asyncio import Redis

from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.scripts.queue_scripts import own_script

_LISTS = ("wait", "paused", "active")
# In the direction in which jobs move through them, on to the lists.
_SORTED_SETS = ("delayed", "waiting-children", "prioritized")
_OPEN_SETS = ("delayed", "prioritized")
_ENDS = ("completed", "failed")
_PLACES = (*_LISTS, *_SORTED_SETS, *_ENDS)
PAGE = 1000
"""Redis is blocked while it scans a page: 1 to 3 ms on a busy two-core machine."""


class State(StrEnum):
    """`GONE`: removed, or in none of the queue's sets, so that no worker will ever take it."""

    UNFINISHED = "unfinished"
    COMPLETED = "completed"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class JobState:
    """A completed job has a `returnvalue` (JSON), a failed one a `failed_reason` (a sentence)."""

    state: State
    returnvalue: str | None = None
    failed_reason: str | None = None
    finished_at: datetime | None = None


class QueueState:
    """The current state of one queue."""

    def __init__(self, redis: Redis, queue: QueueName) -> None:
        self._redis = redis
        self.key = queue.key
        self._names = own_script(redis, "names.lua")

    async def unfinished(self, pattern: str) -> set[str]:
        """The ids, matching a glob, of waiting, delayed and active jobs, and of waiting parents.

        The sorted sets, where all jobs with a priority wait, are read in pages and matched by
        Redis. A job that moves meanwhile is not missed, whether from a list into a set that
        was read before, or from a set into a list: the lists are read before and after the sets.
        """
        return await self._in_places(_SORTED_SETS, pattern)

    async def open(self, pattern: str) -> set[str]:
        """As `unfinished`, without parents that wait for their children: no worker takes those."""
        return await self._in_places(_OPEN_SETS, pattern)

    async def _in_places(self, sorted_sets: Sequence[str], pattern: str) -> set[str]:
        found = await self._in_lists()
        for name in sorted_sets:
            found.update(await self._in_sorted_set(name, pattern))
        found.update(await self._in_lists())
        return {job_id for job_id in found if fnmatchcase(job_id, pattern)}

    async def _in_sorted_set(self, name: str, pattern: str) -> set[str]:
        scored: AsyncIterator[tuple[str, float]] = self._redis.zscan_iter(
            self.key(name), match=pattern, count=PAGE
        )
        return {job_id async for job_id, _ in scored}

    async def _in_lists(self) -> set[str]:
        """The ids in the lists, read atomically: a pause renames one list to another."""
        async with self._redis.pipeline(transaction=True) as pipe:
            for name in _LISTS:
                pipe.lrange(self.key(name), 0, -1)
            return set(chain.from_iterable(await pipe.execute()))

    async def job(self, job_id: str) -> JobState:
        """The state of one job, read atomically."""
        async with self._redis.pipeline(transaction=True) as pipe:
            self.queue_place_commands(pipe, job_id)
            pipe.hmget(self.key(job_id), ["returnvalue", "failedReason", "finishedOn"])
            *answers, (returnvalue, failed_reason, finished_ms) = await pipe.execute()
        match place_of(answers):
            case None:
                return JobState(State.GONE)
            case "completed":
                return JobState(State.COMPLETED, returnvalue, finished_at=moment(finished_ms))
            case "failed":
                at = moment(finished_ms)
                return JobState(State.FAILED, failed_reason=failed_reason, finished_at=at)
            case _:
                return JobState(State.UNFINISHED)

    async def names(self, job_ids: Sequence[str]) -> list[str | None]:
        """The names of at most a `PAGE` of jobs; None for one that was removed meanwhile."""
        return await self._names(keys=[self.key("")], args=job_ids)

    def queue_place_commands(self, pipe: Any, job_id: str) -> None:
        """Queue the commands on a pipeline whose responses `place_of` reads."""
        for name in _LISTS:
            pipe.lpos(self.key(name), job_id)
        for name in (*_SORTED_SETS, *_ENDS):
            pipe.zscore(self.key(name), job_id)


def place_of(answers: Sequence[Any]) -> str | None:
    """The list or set of BullMQ's that holds the job."""
    named = zip(_PLACES, answers, strict=True)
    return next((name for name, answer in named if answer is not None), None)


def moment(epoch_ms: str | float | None) -> datetime | None:
    """The time in a field or score of BullMQ's; None if it is invalid."""
    try:
        return None if epoch_ms is None else datetime.fromtimestamp(float(epoch_ms) / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # a producer may set any number as its time
        return None
