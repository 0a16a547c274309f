"""Sanitises the fields of a job's hash, so that the library can read and end the job. Pure.

Anyone who may write to Redis can put anything there. Fields over which the library fails would
leave the job active until it counts as stalled, and end it with a misleading reason.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from bullmq_consumer.sanitize.strict_json import NotReadable, read

# Those of the job's hash, and how large they may be: milliseconds up to the year 33658.
_NUMBERS = (
    *("timestamp", "delay", "priority", "processedOn", "finishedOn"),
    *("ats", "atm", "attemptsMade", "stc"),
)
_DIGITS = 15
MAX_NUMBER = 10**_DIGITS
COUNTERS = ("ats", "atm", "stc")
"""The counters that Redis itself increments."""
_COUNT = re.compile(r"-?[0-9]{1,15}")

_MIB = 1024 * 1024
# The largest of the app's jobs, 200 shots with all their texts, has a fifth of it.
MAX_DATA_BYTES = _MIB
# Above this not even the ids are read: parsing blocks all other jobs, up to 0.2 s per MiB.
_MOST_READ_BYTES = 2 * _MIB
# The limit of all other JSON: options, parents, progress, stack traces.
_MAX_JSON = 256 * 1024

# Other JSON fields that the library reads, and their types.
_OTHER_JSON: dict[str, type] = {"stacktrace": list, "progress": object}

PARENT_FLAGS = {
    "fpof": "failParentOnFailure",
    "cpof": "continueParentOnFailure",
    "idof": "ignoreDependencyOnFailure",
    "rdof": "removeDependencyOnFailure",
}
"""The options about a job's parent, by BullMQ's short names: at most one is allowed."""
_ABOUT_PARENTS = frozenset({*PARENT_FLAGS, *PARENT_FLAGS.values()})


class Sanitized(NamedTuple):
    """A hash for the library: `fields`, and what its options and its data hold.

    `corrupt` are the names of fields to be removed in Redis. `fault` is why the job cannot be
    processed, None if it can.
    """

    fields: dict[str, str]
    options: dict[str, Any]
    data: Any
    corrupt: list[str]
    fault: str | None


def sanitized(raw: dict[str, str]) -> Sanitized:
    """What can be read of a hash, whatever stands in it."""
    fields = with_whole_numbers(raw)
    options, options_fault = _options(fields.get("opts", "{}"))
    data, data_fault = _data(fields.get("data", "{}"))
    corrupt = corrupt_fields(raw)
    kept = {
        name: text
        for name, text in fields.items()
        if name not in corrupt and (name not in _OTHER_JSON or _is_kept(name, text))
    }
    return Sanitized(kept, options, data, corrupt, data_fault or options_fault)


def corrupt_fields(raw: Mapping[str, str | None]) -> list[str]:
    """BullMQ's own fields that would make its scripts in Redis fail and leave the job."""
    bad = [name for name in COUNTERS if not _COUNT.fullmatch(raw.get(name) or "0")]
    return bad if _has_usual_parent(raw) else [*bad, "parent", "parentKey"]


def _has_usual_parent(raw: Mapping[str, str | None]) -> bool:
    """Whether the parent is well-formed, or absent as in all jobs of the app."""
    parent, key = raw.get("parent"), raw.get("parentKey")
    if parent is not None and len(parent) > _MAX_JSON:
        return False
    return (parent is None or _is_parent(parent)) and (not key or ":" in key)


def _is_parent(text: str) -> bool:
    try:
        parent = read(text)
    except NotReadable:
        return False
    if not isinstance(parent, dict):
        return False
    named = cast("dict[str, Any]", parent)
    return all(isinstance(named.get(name), str) for name in ("id", "queueKey"))


def unreadable(raw: dict[str, str]) -> tuple[dict[str, str], str]:
    """The minimal hash of a job that the library cannot read otherwise, and the fault."""
    kept = {name: raw[name] for name in ("name", *_NUMBERS) if name in raw}
    return {**with_whole_numbers(kept), "data": "null", "opts": "{}"}, _UNREADABLE


_UNREADABLE = "Invalid job: its fields in Redis cannot be read; add it again with BullMQ"
_TOO_MANY_OPTIONS = (
    f"Invalid job options: they have more than {_MAX_JSON // 1024} KiB; add the job with fewer"
)
_NO_OPTIONS = "Invalid job options: they are no JSON object; add the job with BullMQ"


def _data(text: str) -> tuple[Any, str | None]:
    """The data and its fault. Data of 1 to 2 MiB is refused, but its ids identify the rows."""
    size = len(text) if text.isascii() else len(text.encode(errors="replace"))
    too_large = _too_large(size) if size > MAX_DATA_BYTES else None
    if size > _MOST_READ_BYTES:
        return None, too_large
    try:
        return read(text), too_large
    except NotReadable as error:
        return None, f"Invalid job data: it {error}; send a JSON object"


def _too_large(size_bytes: int) -> str:
    return (
        f"Invalid job data: it has {size_bytes / _MIB:.1f} MiB, more than the "
        f"{MAX_DATA_BYTES // _MIB} MiB that a job may bring; store what is large and send its "
        "address"
    )


def _options(text: str) -> tuple[dict[str, Any], str | None]:
    if len(text) > _MAX_JSON:
        return {}, _TOO_MANY_OPTIONS
    try:
        options = read(text)
    except NotReadable:
        return {}, _NO_OPTIONS
    if not isinstance(options, dict):
        return {}, _NO_OPTIONS
    return safe_options(cast("dict[str, Any]", options)), None


def _is_kept(name: str, text: str) -> bool:
    """Whether the library can read this one of `_OTHER_JSON`; the job can do without it."""
    if len(text) > _MAX_JSON:
        return False
    try:
        return isinstance(read(text), _OTHER_JSON[name])
    except NotReadable:
        return False


def safe_options(options: dict[str, Any]) -> dict[str, Any]:
    """Options without invalid ones, which would keep the library from ending the job."""
    safe = {name: value for name, value in options.items() if _RULES.get(name, _is_anything)(value)}
    return {
        **_one_about_parents(safe),
        "attempts": _attempts(options.get("attempts", 0)),
        "backoff": _backoff(options.get("backoff")),
    }


def _is_keeping(value: Any) -> bool:
    """True, a number of jobs, or `{age, count, limit}`."""
    if not isinstance(value, dict):
        return isinstance(value, bool) or value == -1 or _is_count(value)
    rules = cast("dict[str, Any]", value)
    return rules.keys() <= {"age", "count", "limit"} and all(map(_is_count, rules.values()))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_NUMBER


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_anything(value: Any) -> bool:
    return True


_RULES: dict[str, Callable[[Any], bool]] = {
    "removeOnComplete": _is_keeping,
    "removeOnFail": _is_keeping,
    "stackTraceLimit": _is_count,
    "keepLogs": _is_count,
    "parent": _is_object,
}


def _one_about_parents(options: dict[str, Any]) -> dict[str, Any]:
    given = _ABOUT_PARENTS & options.keys()
    if not given:
        return options
    chosen = [name for name in given if options[name] is True]
    dropped = given if len(chosen) != 1 else given - {*chosen}
    return {name: value for name, value in options.items() if name not in dropped}


def with_whole_numbers(raw: dict[str, str]) -> dict[str, str]:
    """A job's hash with numbers that the library can read: 1.5 becomes 1, others are removed.

    Node accepts any number for a `timestamp` or `delay`, and stores it as it is.
    """
    odd = {name: raw[name] for name in _NUMBERS if name in raw and not _is_whole(raw[name])}
    if not odd:
        return raw
    kept = {name: value for name, value in raw.items() if name not in odd}
    whole = {name: _whole(value) for name, value in odd.items()}
    return {**kept, **{name: value for name, value in whole.items() if value is not None}}


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS


def _whole(text: str) -> str | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return str(int(number)) if abs(number) < MAX_NUMBER else None


def _attempts(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 4:
        return int(value)
    if not isinstance(value, int | float) or not _is_finite(value):
        return 1
    return min(max(math.ceil(value), 0), MAX_NUMBER)


def _backoff(value: Any) -> dict[str, Any] | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = {"type": "fixed", "delay": value}
    if not isinstance(value, dict):
        return None
    backoff: dict[str, Any] = {**value}
    delay = backoff.get("delay", 0)
    if isinstance(delay, str) and delay.isascii() and delay.isdecimal():
        delay = int(delay[:12])
    if not isinstance(delay, int | float) or not _is_finite(delay) or delay < 0:
        return None
    if not isinstance(backoff.get("type", ""), str):
        backoff["type"] = "unknown"  # then the worker's own delay is taken
    return {**backoff, "delay": min(delay, MAX_NUMBER)}


def _is_finite(number: float) -> bool:
    """Whether it is finite as a float, to which Python converts no large integers."""
    return isinstance(number, int) or math.isfinite(number)
