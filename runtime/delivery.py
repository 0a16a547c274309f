"""One attempt as the queue delivers it, and how foreign job fields become safe. Pure."""

import json
import math
from dataclasses import dataclass, field
from typing import Any, cast

DeliveryKey = tuple[str, str]
"""Job id and token: the library gives jobs that it fetches at the same time one token."""

# Counters of ours in the job's hash.
PUT_OFFS = "putOffs"
SETTLE_WAITS = "settleWaits"

# A backoff beyond a day is a slip of units; the job would look lost.
_MAX_BACKOFF_MS = 24 * 3600 * 1000

# Those of the job's hash, and how large they may be: milliseconds up to the year 33658.
_NUMBERS = (
    *("timestamp", "delay", "priority", "processedOn", "finishedOn"),
    *("ats", "atm", "attemptsMade", "stc"),
)
_DIGITS = 15
_MAX_NUMBER = 10**_DIGITS


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt at one job. `attempts` is the job's own limit.

    Over all attempts: `put_offs` is how often it went back with a delay, `settle_waits` how often
    it waited for its rows to be reached. `ready_at` is when a job that no worker had before could
    first be taken, in seconds since the epoch by its producer's clock.
    """

    job_id: str
    name: str
    data: Any
    attempts_made: int
    attempts: int
    checkpoint: dict[str, Any] = field(default_factory=dict[str, Any])
    put_offs: int = 0
    settle_waits: int = 0
    ready_at: float | None = None

    @property
    def is_last_attempt(self) -> bool:
        """Whether BullMQ will not deliver the job again."""
        return self.attempts_made + 1 >= self.attempts


def delivery_of(job: Any) -> Delivery:
    """Of BullMQ's job, as `SafeWorker` makes it."""
    own_fields: dict[str, str] = getattr(job, "own_fields", {})
    return Delivery(
        job_id=str(job.id),
        name=job.name,
        data=job.data,
        attempts_made=job.attemptsMade,
        attempts=job.opts["attempts"],
        checkpoint=read_checkpoint(own_fields.get("checkpoint")),
        put_offs=whole_number(own_fields.get(PUT_OFFS)),
        settle_waits=whole_number(own_fields.get(SETTLE_WAITS)),
        ready_at=_ready_at(job),
    )


def read_checkpoint(text: str | None) -> dict[str, Any]:
    """What a handler saved; anything else counts as nothing."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def safe_options(options: dict[str, Any]) -> dict[str, Any]:
    """Options with which the library can finish the job: odd ones would strand it."""
    return {
        **options,
        "attempts": _attempts(options.get("attempts")),
        "backoff": _backoff(options.get("backoff")),
    }


def with_whole_numbers(raw: dict[str, str]) -> dict[str, str]:
    """A job's hash whose numbers the library can read: 1.5 counts as 1, others as not given.

    Node takes any number for a `timestamp` or `delay`, and writes it down as it is.
    """
    odd = {name: raw[name] for name in _NUMBERS if name in raw and not _is_whole(raw[name])}
    if not odd:
        return raw
    kept = {name: value for name, value in raw.items() if name not in odd}
    whole = {name: _whole(value) for name, value in odd.items()}
    return {**kept, **{name: value for name, value in whole.items() if value is not None}}


def readable(raw: dict[str, str]) -> dict[str, str]:
    """A job's hash without the parts that could not be decoded; it can still be failed."""
    kept = {key: value for key, value in raw.items() if key not in {"progress", "returnvalue"}}
    return {**kept, "data": "null", "opts": "{}", "stacktrace": "[]"}


def _ready_at(job: Any) -> float | None:
    delay_ms = job.opts.get("delay", 0)
    if job.attemptsStarted > 1 or not isinstance(delay_ms, int | float):
        return None
    if not delay_ms < _MAX_NUMBER:  # NaN is not either
        return None
    return (job.timestamp + max(delay_ms, 0)) / 1000


def whole_number(text: str | None) -> int:
    """Of a field of a job's hash, 0 for what is none. Python reads no number of 4300 digits."""
    return int(text) if text and text.isdecimal() and len(text) < 20 else 0


def _is_whole(text: str) -> bool:
    return text.isdecimal() and len(text) <= _DIGITS


def _whole(text: str) -> str | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return str(int(number)) if abs(number) < _MAX_NUMBER else None


def _attempts(value: Any) -> int:
    if isinstance(value, str) and value.isdigit() and len(value) < 4:
        return int(value)
    return value if isinstance(value, int) else 1


def _backoff(value: Any) -> dict[str, Any] | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = {"type": "fixed", "delay": value}
    if not isinstance(value, dict):
        return None
    backoff: dict[str, Any] = {**value}
    delay = backoff.get("delay", 0)
    if isinstance(delay, str) and delay.isdigit():
        delay = int(delay[:12])
    if not isinstance(delay, int | float) or not math.isfinite(delay) or delay < 0:
        return None
    return {**backoff, "delay": min(delay, _MAX_BACKOFF_MS)}
