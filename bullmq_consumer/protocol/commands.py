"""What a worker does to a queue by BullMQ's own scripts, with the arguments that their heads name.

Their texts are those of the installed package: Redis does for us what it does for Node's worker.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgpack
from redis.asyncio import Redis

from bullmq_consumer.protocol import texts
from bullmq_consumer.protocol.answers import UNSAID, Taken, checked, taken_of
from bullmq_consumer.protocol.job import DeliveryKey, Job
from bullmq_consumer.protocol.keeping import Keeping, keep_jobs
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.clock import RedisClock
from bullmq_consumer.sanitize.fields import PARENT_FLAGS

_PLACES_OF_TAKE = (
    *("wait", "active", "prioritized", "events", "stalled", "limiter", "delayed", "paused"),
    *("meta", "pc"),
)
# More jobs than any limit allows for, as Node's `rateLimit` counts them: its MAX_SAFE_INTEGER.
_TOO_MANY = 2**53 - 1


def milliseconds(duration: timedelta) -> int:
    """As BullMQ counts time."""
    return round(duration.total_seconds() * 1000)


@dataclass(frozen=True, slots=True)
class Limit:
    """How many jobs of a queue its workers may begin within `duration`, all together."""

    most: int
    duration: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOptions:
    """What a worker says of itself when it takes and ends jobs. 0 `metrics_minutes` count none.

    `completed` and `failed` are how many of those stay, of jobs that do not say so themselves.
    """

    worker: str
    lock_ms: int
    metrics_minutes: int = 0
    limit: Limit | None = None
    completed: Keeping | None = None
    failed: Keeping | None = None


class Commands:
    """Of one queue, for one worker.

    All raise RedisError or OSError; those that end an attempt raise Refused, too.
    """

    def __init__(
        self, redis: Redis, queue: QueueName, options: TakeOptions, clock: RedisClock
    ) -> None:
        # redis-py's types allow for bytes, which `decode_responses` rules out.
        self._redis: Any = redis
        self._key = queue.key
        self._prefix = queue.key("")
        self._options = options
        self._clock = clock
        self._lock_ms = options.lock_ms
        limit = options.limit
        self._limiter = limit and {"max": limit.most, "duration": milliseconds(limit.duration)}
        self._marker = queue.key("marker")
        self._take_keys = [*self._keys(*_PLACES_OF_TAKE), self._marker]
        self._end_keys = {target: self._keys_of_end(target) for target in ("completed", "failed")}
        self._take = texts.load(redis, "moveToActive-11")
        self._finish = texts.load(redis, "moveToFinished-14")
        self._delay = texts.load(redis, "moveToDelayed-11")
        self._retry = texts.load(redis, "retryJob-11")
        self._return = texts.load(redis, "moveJobFromActiveToWait-9")
        self._limit_left = texts.load(redis, "getRateLimitTtl-2")
        self._extend = texts.load(redis, "extendLocks-1")
        self._stalled = texts.load(redis, "moveStalledJobsToWait-9")
        self._iterate = texts.load(redis, "updateJobScheduler-12")

    async def take(self, token: str) -> Taken:
        """The next job, locked under `token`."""
        raw = await self._take(
            keys=self._take_keys,
            args=[self._prefix, self._clock.now_ms(), _pack(self._taking(token))],
        )
        return taken_of(raw)

    async def complete(self, job: Job, value: str, *, fetch_next: bool) -> Taken:
        """Write what the job returned, as JSON; with `fetch_next` the answer may bring a job."""
        keep = _kept(job, "removeOnComplete", self._options.completed)
        return await self._end(job, "completed", ("returnvalue", value), keep, fetch_next, {})

    async def fail(self, job: Job, fields: Mapping[str, str], *, fetch_next: bool) -> Taken:
        """Fail the job for good; `fields`, its `failedReason` among them, are kept in its hash."""
        keep = _kept(job, "removeOnFail", self._options.failed)
        reason = "failedReason", fields["failedReason"]
        return await self._end(job, "failed", reason, keep, fetch_next, fields)

    async def delay(
        self,
        job: Job,
        delay_ms: int,
        fields: Mapping[str, str] | None = None,
        *,
        fetch_next: bool,
    ) -> Taken:
        """Send an active job back to wait so long. With `fields`, which are kept in its hash, an
        attempt is burnt; without it is not. UNSAID when it brought no job.
        """
        places = ("active", "prioritized", "delayed", job.id, "events", "meta", "stalled", "wait")
        raw = await self._delay(
            keys=[self._marker, *self._keys(*places, "limiter", "pc")],
            args=[
                *(self._prefix, str(self._clock.now_ms()), job.id, job.token, delay_ms),
                *("1" if fields is None else "0", _pack(_flat(fields)) if fields else ""),
                *(("1", _pack(self._taking(job.token))) if fetch_next else ("0",)),
            ],
        )
        return taken_of(raw) if isinstance(checked(raw), list) else UNSAID

    async def retry(self, job: Job, fields: Mapping[str, str]) -> None:
        """Send an active job back at once, an attempt burnt; `fields` are kept in its hash."""
        places = ("active", "wait", "paused", job.id, "meta", "events", "delayed", "prioritized")
        push = "RPUSH" if job.options.get("lifo") else "LPUSH"
        arguments = [self._prefix, self._clock.now_ms(), push, job.id, job.token]
        checked(
            await self._retry(
                keys=[*self._keys(*places, "pc"), self._marker, self._key("stalled")],
                args=[*arguments, _pack(_flat(fields))] if fields else arguments,
            )
        )

    async def limit_queue(self, duration_ms: int) -> None:
        """Let those workers of the queue that have a limit take no job for so long."""
        await self._redis.set(self._key("limiter"), _TOO_MANY, px=max(duration_ms, 1))

    async def limit_left_ms(self) -> int:
        """For how long yet `limit_queue`, of this worker or another one, holds the queue up."""
        return await self._limit_left(keys=self._keys("limiter", "meta"), args=[_TOO_MANY])

    async def return_limited(self, job: Job) -> int:
        """Send an active job back to the front of its priority, no attempt burnt.

        Returns for how many ms a limit holds the queue up.
        """
        places = ("active", "wait", "stalled", "paused", "meta", "limiter", "prioritized")
        return checked(
            await self._return(
                keys=[*self._keys(*places), self._marker, self._key("events")],
                args=[job.id, job.token, self._key(job.id)],
            )
        )

    async def extend(self, held: Sequence[DeliveryKey]) -> list[str]:
        """Renew locks; returns the ids of jobs of which it could not."""
        job_ids, tokens = [key[0] for key in held], [key[1] for key in held]
        arguments = [self._prefix, _pack(tokens), _pack(job_ids), self._lock_ms]
        return await self._extend(keys=[self._key("stalled")], args=arguments)

    async def return_stalled(self, most: int, check_every_ms: int) -> list[str]:
        """Return jobs without a lock to the queue, each so often at `most`; returns their ids.

        A worker is woken for jobs that may be taken, should their marker be lost.
        """
        places = ("stalled", "wait", "active", "stalled-check", "meta", "paused", "marker")
        return await self._stalled(
            keys=self._keys(*places, "events", "repeat"),
            args=[most, self._prefix, self._clock.now_ms(), check_every_ms],
        )

    async def add_iteration(
        self, job: Job, due_ms: int | None, options: Mapping[str, Any]
    ) -> str | None:
        """Add the job that follows `job` on its schedule; returns its id.

        None where it is there already or the schedule is gone. Without `due_ms` the script itself
        finds when that is, which it does for schedules by interval.
        """
        places = ("repeat", "delayed", "wait", "paused", "meta", "prioritized")
        more = ("id", "events", "pc", job.id, "active")
        return await self._iterate(
            keys=[*self._keys(*places), self._marker, *self._keys(*more)],
            args=[
                *(due_ms or "undefined", job.schedule or "", json.dumps(job.data)),
                *(_pack(dict(options)), self._clock.now_ms(), self._prefix, job.id),
            ],
        )

    async def children(self, job_id: str) -> dict[str, Any]:
        """What the finished children of a job returned, by their keys in Redis."""
        found = await self._redis.hgetall(self._key(f"{job_id}:processed"))
        return {key: _read(value) for key, value in found.items()}

    async def _end(
        self,
        job: Job,
        target: str,
        result: tuple[str, str],
        keep: dict[str, int],
        fetch_next: bool,
        fields: Mapping[str, str],
    ) -> Taken:
        options = {
            **self._taking(job.token),
            "keepJobs": dict(keep),
            "attempts": job.attempts,
            "attemptsMade": job.attempts_made,
            "maxMetricsSize": self._options.metrics_minutes or "",
            **{short: job.options.get(name) is True for short, name in PARENT_FLAGS.items()},
        }
        arguments = [
            *(job.id, self._clock.now_ms(), *result, target, "1" if fetch_next else ""),
            *(self._prefix, _pack(options)),
        ]
        before, behind = self._end_keys[target]
        raw = await self._finish(
            keys=[*before, self._key(job.id), *behind],
            args=[*arguments, _pack(_flat(fields))] if fields else arguments,
        )
        return taken_of(checked(raw))

    def _taking(self, token: str) -> dict[str, Any]:
        return {
            "token": token,
            "lockDuration": self._lock_ms,
            "name": self._options.worker,
            "limiter": self._limiter,
        }

    def _keys_of_end(self, target: str) -> tuple[list[str], list[str]]:
        """What stands before the key of the job, and what behind it."""
        before = self._keys(*_PLACES_OF_TAKE, target)
        return before, [self._key(f"metrics:{target}"), self._marker]

    def _keys(self, *names: str) -> list[str]:
        return [self._key(name) for name in names]


def _kept(job: Job, option: str, default: Keeping | None) -> dict[str, int]:
    """By the job's own option, else as the worker says."""
    told = job.options.get(option)
    return keep_jobs(default if told is None else told)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _flat(fields: Mapping[str, str]) -> list[str]:
    return [text for pair in fields.items() for text in pair]


# Typed in part only.
_pack: Callable[[object], bytes] = msgpack.Packer(use_bin_type=True).pack  # pyright: ignore
