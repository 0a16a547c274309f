"""A view of one job for operators: its state, its attempts and its history."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bullmq_consumer.delivery import FAILURE_WAITS, SNOOZES, read_checkpoint, whole_number
from bullmq_consumer.inspect.states import PAGE, QueueState, moment, place_of
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.sanitize.fields import safe_options
from bullmq_consumer.sanitize.strict_json import DEEPEST, is_shallow

# BullMQ keeps about 10,000 events of a queue.
_EVENTS_SEEN = 10_000
_TOO_DEEP = f"(JSON of more than {DEEPEST} levels)"
# The fields that a worker reads on its own loop; a producer may write megabytes into any.
_BRIEF = (
    *("name", "progress", "returnvalue", "failedReason", "opts", "priority", "delay", "pb"),
    *("atm", "attemptsMade", "stc", "timestamp", "processedOn", "finishedOn"),
    *("handBacks", SNOOZES, FAILURE_WAITS),
)
_BRIEF_BYTES = 64 * 1024
_TOO_LONG = f"(longer than {_BRIEF_BYTES // 1024} KiB)"


@dataclass(frozen=True, slots=True)
class JobEvent:
    """An entry of the queue's event stream about one job. `details` may hold untrusted text."""

    at: datetime
    event: str
    details: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JobView:
    """A job's hash, parsed. `state` is BullMQ's, `unknown` for a job in none of its sets.

    `waits` counts hand-backs, which burnt no attempt: `stops`, `providers`, `rows`.
    `data`, `progress` and `returnvalue` are the JSON that the producer and handlers wrote.
    """

    job_id: str
    name: str
    state: str
    data: Any
    progress: Any
    returnvalue: Any
    failed_reason: str | None
    stacktrace: Sequence[str]
    attempts_made: int
    attempts: int
    stalled: int
    priority: int
    delay_ms: int
    worker: str | None
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    checkpoint: Mapping[str, Any] = field(default_factory=dict[str, Any])
    waits: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def reason(self) -> str | None:
        """Why it failed, for operators, where `failed_reason` is written for people.

        Ours is the last line of the trace of the last attempt; Node's traces begin with it.
        """
        last = self.stacktrace[-1] if self.stacktrace else ""
        is_ours = self.failed_reason is not None and last.startswith("Traceback ")
        return last.splitlines()[-1] if is_ours else self.failed_reason


# BullMQ's keys by the state names of its Node API and of the command line.
_SAME_WORD = ("prioritized", "active", "delayed", "waiting-children", "paused")
STATES = {"waiting": "wait", **{word: word for word in (*_SAME_WORD, "completed", "failed")}}
_LISTS = ("wait", "active", "paused")


class JobViews:
    """The jobs of one queue. All methods raise RedisError and OSError."""

    def __init__(self, redis: Redis, queue: QueueName) -> None:
        # redis-py's types allow for bytes, which `decode_responses` rules out.
        self._redis: Any = redis
        self._queue = QueueState(redis, queue)

    async def get(self, job_id: str) -> JobView | None:
        """The job's current state, None when the queue does not have it."""
        async with self._redis.pipeline(transaction=True) as pipe:
            self._queue.queue_place_commands(pipe, job_id)
            pipe.hgetall(self._queue.key(job_id))
            *answers, fields = await _answers(pipe) or [{}]
        return _view(job_id, place_of(answers), fields) if "name" in fields else None

    async def brief(self, job_id: str) -> JobView | None:
        """The same without `data`, `stacktrace`, `checkpoint` and long values."""
        key = self._queue.key(job_id)
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in _BRIEF:
                pipe.hstrlen(key, name)
            lengths = dict(zip(_BRIEF, await _answers(pipe) or (), strict=False))
        short = [name for name, length in lengths.items() if 0 < length <= _BRIEF_BYTES]
        if not lengths.get("name") or not short:
            return None
        async with self._redis.pipeline(transaction=True) as pipe:
            self._queue.queue_place_commands(pipe, job_id)
            pipe.hmget(key, *short)
            *answers, texts = await pipe.execute()
        if not any(texts):  # it was removed meanwhile
            return None
        long = {name: _TOO_LONG for name, length in lengths.items() if length > _BRIEF_BYTES}
        return _view(job_id, place_of(answers), long | dict(zip(short, texts, strict=True)))

    async def ids(self, state: str, limit: int, *, name: str | None = None) -> list[str]:
        """Up to `limit` jobs of a state: the ended newest first, others as they will be taken.

        With `name` only those of this name.
        """
        if name is None:
            return await self._page(state, 0, limit)
        found: list[str] = []
        skip = 0
        while len(found) < limit:
            page = await self._page(state, skip, PAGE)
            names = await self._queue.names(page)
            found += [job_id for job_id, its in zip(page, names, strict=True) if its == name]
            skip += len(page)
            if len(page) < PAGE:
                break
        return found[:limit]

    async def _page(self, state: str, skip: int, limit: int) -> list[str]:
        place = STATES[state]
        key = self._queue.key(place)
        if place in _LISTS:
            # Jobs enter on the left and leave on the right.
            return list(reversed(await self._redis.lrange(key, -skip - limit, -skip - 1)))
        is_ended = place in {"completed", "failed"}
        return await self._redis.zrange(key, skip, skip + limit - 1, desc=is_ended)

    async def timeline(self, job_id: str) -> list[JobEvent]:
        """The job's entries among the queue's latest events, oldest first."""
        found: list[JobEvent] = []
        after, seen = "-", 0
        while seen < _EVENTS_SEEN:
            page = await self._redis.xrange(self._queue.key("events"), after, "+", PAGE)
            found += [_job_event(*entry) for entry in page if entry[1].get("jobId") == job_id]
            seen += len(page)
            if len(page) < PAGE:
                break
            after = f"({page[-1][0]}"
        return found


async def _answers(pipe: Any) -> list[Any] | None:
    """The pipeline's responses; None for an id that is a key of another type, such as `events`."""
    try:
        return await pipe.execute()
    except ResponseError as error:
        if "WRONGTYPE" not in str(error):
            raise
        return None


def _job_event(entry_id: str, fields: Mapping[str, str]) -> JobEvent:
    at = moment(entry_id.partition("-")[0])
    assert at is not None
    details = {key: value for key, value in fields.items() if key not in {"event", "jobId"}}
    return JobEvent(at, fields.get("event", ""), details)


def _view(job_id: str, place: str | None, fields: Mapping[str, str]) -> JobView:
    state = next((state for state, name in STATES.items() if name == place), "unknown")
    return JobView(
        job_id=job_id,
        name=fields["name"],
        state=state,
        data=read_json(fields.get("data")),
        progress=read_json(fields.get("progress")),
        returnvalue=read_json(fields.get("returnvalue")),
        failed_reason=fields.get("failedReason"),
        stacktrace=_strings(read_json(fields.get("stacktrace"))),
        attempts_made=whole_number(fields.get("atm") or fields.get("attemptsMade")),
        attempts=_attempts(read_json(fields.get("opts"))),
        stalled=whole_number(fields.get("stc")),
        priority=whole_number(fields.get("priority")),
        delay_ms=whole_number(fields.get("delay")),
        worker=fields.get("pb"),
        created_at=moment(fields.get("timestamp")),
        started_at=moment(fields.get("processedOn")),
        finished_at=moment(fields.get("finishedOn")),
        checkpoint=read_checkpoint(fields.get("checkpoint")),
        waits=_waits(fields),
    )


def _attempts(options: Any) -> int:
    """The job's own limit, as the worker reads it."""
    if not isinstance(options, dict):
        return 1
    # Node writes 0 where the producer set none.
    return max(safe_options(cast("dict[str, Any]", options))["attempts"], 1)


def _waits(fields: Mapping[str, str]) -> dict[str, int]:
    counters = {"stops": "handBacks", "providers": SNOOZES, "rows": FAILURE_WAITS}
    return {word: whole_number(fields.get(name)) for word, name in counters.items()}


def read_json(text: str | None) -> Any:
    """The JSON value; unreadable text as it is, but not too deeply nested JSON."""
    try:
        value = None if text is None else json.loads(text)
    except RecursionError:
        return _TOO_DEEP
    except ValueError:
        return text
    return value if is_shallow(value) else _TOO_DEEP


def _strings(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []  # pyright: ignore
