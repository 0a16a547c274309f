"""The job that follows another one on its schedule, as Node's worker writes it."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from redis.exceptions import ResponseError

from bullmq_consumer.protocol.commands import Commands
from bullmq_consumer.protocol.job import Job
from bullmq_consumer.redis.clock import RedisClock
from bullmq_consumer.sanitize.text import one_line

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Iteration:
    """When the next job is due, in ms since the epoch, None where its script finds that; and its
    options as BullMQ writes them.
    """

    due_ms: int | None
    options: dict[str, Any]


class Scheduler:
    """Of one queue. `on_broken` gets the id of a schedule that cannot go on, and why."""

    def __init__(
        self, commands: Commands, clock: RedisClock, on_broken: Callable[[str, str], None]
    ) -> None:
        self._commands = commands
        self._clock = clock
        self._on_broken = on_broken

    async def add_next(self, job: Job) -> None:
        """Add the job that follows one that a schedule made, where one does.

        Raises RedisError, OSError.
        """
        if job.schedule is None:
            return
        try:
            if iteration := next_iteration(job, self._clock.now_ms()):
                await self._commands.add_iteration(job, iteration.due_ms, iteration.options)
        except (ValueError, TypeError, KeyError, OverflowError, ResponseError) as error:
            if isinstance(error, ResponseError) and not _is_of_the_script(error):
                raise
            if job.attempts_started > 1:
                return  # its first delivery has reported it
            reason = one_line(str(error)) or type(error).__name__
            logger.error(
                "The schedule %s ends: its next job cannot be planned (%s); correct it with "
                "upsertJobScheduler",
                job.schedule,
                reason,
            )
            self._on_broken(job.schedule, reason)


def _is_of_the_script(error: ResponseError) -> bool:
    """Whether the script stumbled over what stands in Redis, which no other try changes."""
    text = str(error)
    is_passing = any(code in text for code in ("OOM", "READONLY", "MISCONF", "NOREPLICAS"))
    return not is_passing and any(sign in text for sign in ("user_script", "WRONGTYPE"))


def next_iteration(job: Job, now_ms: int) -> Iteration | None:
    """The one after `job`, None when the schedule is over.

    Raises ValueError, TypeError, KeyError or OverflowError when the schedule cannot be read.
    """
    options = _written_options(job)
    repeat = cast("dict[str, Any]", options["repeat"])
    count = int(repeat.get("count") or 0) + 1
    limit, end = repeat.get("limit"), _millis(repeat.get("endDate"))
    if (limit is not None and count > limit) or (end and now_ms > end):
        return None
    due_ms: int | None = None
    if not repeat.get("every"):
        due_ms = next_millis(max(now_ms, int(options.get("prevMillis") or 0)), repeat)
        if due_ms is None:
            return None
    return Iteration(due_ms, _next_options(options, job.schedule or "", due_ms, now_ms, count))


def _next_options(
    options: dict[str, Any], schedule: str, due_ms: int | None, now_ms: int, count: int
) -> dict[str, Any]:
    given = cast("dict[str, Any]", options["repeat"])
    dates = {name: _millis(given.get(name)) for name in ("startDate", "endDate")}
    offset = given.get("offset") if given.get("every") else None
    repeat = {**given, **dates, "offset": offset or None, "count": count}
    repeat.pop("immediately", None)
    place = {"prevMillis": due_ms, "delay": max(due_ms - now_ms, 0) if due_ms else None}
    return _without_none(
        {
            "attempts": 0,
            **options,
            **_normal_backoff(options),
            "jobId": f"repeat:{schedule}:{due_ms}",
            "timestamp": now_ms,
            "repeatJobKey": schedule,
            **place,
            "repeat": _without_none(repeat),
        }
    )


def next_millis(after: int, repeat: dict[str, Any]) -> int | None:
    """When a `pattern` falls due after `after`, in ms since the epoch; None when it is over.

    Raises ValueError when the pattern or the time zone cannot be read.
    """
    from bullmq_consumer.schedules.cron import next_due  # with the first pattern

    start = _millis(repeat.get("startDate"))
    found = next_due(str(repeat["pattern"]), max(after, start or 0) / 1000, repeat.get("tz"))
    end = _millis(repeat.get("endDate"))
    if found is None or (end and found * 1000 > end):
        return None
    return found * 1000


def _written_options(job: Job) -> dict[str, Any]:
    """As they stand in Redis: the sanitized ones have what the app never gave them."""
    try:
        written = json.loads(job.fields.get("opts", ""))
    except (ValueError, RecursionError):
        written = None
    options = cast("dict[str, Any]", written if isinstance(written, dict) else job.options)
    if not isinstance(options.get("repeat"), dict):
        raise ValueError("its options name no schedule")
    return options


def _millis(date: Any) -> int | None:
    """The ms of a JavaScript date: a number, or ISO 8601, which is UTC without a time."""
    if isinstance(date, str) and date:
        moment = datetime.fromisoformat(date)
        is_a_day = len(date) == len("2026-01-01")
        return round((moment.replace(tzinfo=UTC) if is_a_day else moment).timestamp() * 1000)
    return int(date) if isinstance(date, int | float) else None


def _normal_backoff(options: dict[str, Any]) -> dict[str, Any]:
    """Node makes an object of a backoff that is a number."""
    backoff = options.get("backoff")
    if isinstance(backoff, int | float) and not isinstance(backoff, bool):
        return {"backoff": {"type": "fixed", "delay": backoff}}
    return {}


def _without_none(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
