"""Jobs that wait for a worker, or that one has, and marking those to fail that nobody takes."""

# redis-py types its commands only in part.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from bullmq_consumer.delivery import read_checkpoint, whole_number
from bullmq_consumer.inspect.job import read_json
from bullmq_consumer.inspect.states import PAGE, QueueState
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.sanitize.fields import MAX_NUMBER
from bullmq_consumer.scripts.queue_scripts import own_script

_WAITING = ("wait", "paused", "prioritized", "delayed")
_FIELDS = ("timestamp", "defa", "checkpoint", "progress", "processedOn", "delay", "data")


@dataclass(frozen=True, slots=True)
class OpenJob:
    """An unfinished job in short. `added_at` is in seconds since the epoch, by its producer.

    With `is_to_fail` whoever takes it only fails it.
    """

    job_id: str
    added_at: float
    is_to_fail: bool


@dataclass(frozen=True, slots=True)
class OpenJobDetails:
    """The rest of it. Times are in seconds since the epoch.

    `started_at` is when its latest attempt began, `waits_since` since when it is delayed.
    """

    data: Any
    progress: Any
    checkpoint: Mapping[str, Any]
    started_at: float | None
    waits_since: float | None
    is_active: bool
    timestamp_text: str
    checkpoint_text: str

    @property
    def added_at(self) -> float | None:
        """As in `OpenJob`: another job of the same id has another time. None if it is no time."""
        return _seconds(self.timestamp_text)


class OpenJobs:
    """The jobs of one queue that a worker has or will take, so no parents that wait for children.

    All methods raise RedisError and OSError.
    """

    def __init__(self, redis: Redis, queue: QueueName, state: QueueState | None = None) -> None:
        self._redis: Any = redis
        self._key = queue.key
        self._state = state or QueueState(redis, queue)
        self._fail_waiting = own_script(redis, "fail_waiting.lua")

    async def any(self) -> bool:
        """Whether there is one at all: one command."""
        places = (*_WAITING, "active")
        return bool(await self._redis.exists(*(self._key(place) for place in places)))

    async def like(self, pattern: str) -> list[OpenJob]:
        """Those whose ids match a glob."""
        found: list[OpenJob] = []
        matching = sorted(await self._state.open(pattern))
        for start in range(0, len(matching), PAGE):
            ids = matching[start : start + PAGE]
            async with self._redis.pipeline(transaction=False) as pipe:
                for job_id in ids:
                    pipe.hmget(self._key(job_id), "timestamp", "defa")
                answers: Sequence[tuple[str | None, str | None]] = await pipe.execute()
            for job_id, (timestamp, reason) in zip(ids, answers, strict=True):
                if (added_at := _seconds(timestamp)) is not None:
                    found.append(OpenJob(job_id, added_at, bool(reason)))
        return found

    async def details(self, job_id: str) -> OpenJobDetails | None:
        """What is known of one of them; None when it is gone."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hmget(self._key(job_id), *_FIELDS)
            pipe.lpos(self._key("active"), job_id)
            pipe.zscore(self._key("delayed"), job_id)
            values, active_at, score = await pipe.execute()
        fields: dict[str, str | None] = dict(zip(_FIELDS, values, strict=True))
        if fields["timestamp"] is None:
            return None
        return OpenJobDetails(
            data=read_json(fields["data"]),
            progress=read_json(fields["progress"]),
            checkpoint=read_checkpoint(fields["checkpoint"]),
            started_at=_seconds(fields["processedOn"]),
            waits_since=_delayed_since(score, fields["delay"]),
            is_active=active_at is not None,
            timestamp_text=fields["timestamp"],
            checkpoint_text=fields["checkpoint"] or "",
        )

    async def mark_to_fail(
        self,
        job_id: str,
        job: OpenJobDetails,
        reason: str,
        *,
        checkpoint: str | None = None,
        is_shown: bool = False,
    ) -> bool:
        """Have the job fail when its turn comes, without an attempt; False when it is not as read.

        That is when a worker has it by now, or it was replaced. One that is to fail already keeps
        the reason that it has. `checkpoint` is its checkpoint from now on, as JSON. With `is_shown`
        `reason` can be read at once, as its `failedReason`.
        """
        keys = [self._key(name) for name in (job_id, *_WAITING)]
        after = job.checkpoint_text if checkpoint is None else checkpoint
        texts = [job.timestamp_text, job.checkpoint_text, after, reason, "1" if is_shown else "0"]
        return bool(await self._fail_waiting(keys=keys, args=[job_id, *texts]))


def _seconds(epoch_ms: str | None) -> float | None:
    number = whole_number(epoch_ms)
    return number / 1000 if 0 < number < MAX_NUMBER else None


def _delayed_since(score: float | None, delay_ms: str | None) -> float | None:
    """BullMQ scores a delayed job by when it is due, in ms times 4096, plus a counter."""
    return None if score is None else (score / 0x1000 - whole_number(delay_ms)) / 1000
