"""Reads all that Redis holds of a scenario's queues, as `{path: value}`."""

import json
import re
from itertools import groupby
from typing import Any

from redis.asyncio import Redis

from tests.interop.times import Normal

PREFIX = "bull:"
Snapshot = dict[str, Any]

# Sorted by the time of their jobs' end, which is one millisecond in one run and two in another; in
# which order the jobs ended is seen in the events.
_BY_TIME_OF_END = ("completed", "failed", "waiting-children")
# How many jobs ended in each minute: a run goes over the full minute, or does not.
_BY_MINUTE = re.compile(r"metrics:\w+(:data$|/prevTS$|/prevCount$)")
# The field of a job that a scheduler made: its delay is the time that was left until then.
_SCHEDULED = "rjk"
# What JavaScript puts in front of an error's message.
_CLASS = re.compile(r"^(\w*Error): ")
_DELAY = re.compile(r'"delay":(\d+)')
_LONG_MS = 1000
_SCORE_OF_MS = 4096


async def raw_keys(client: Redis, queue: str) -> dict[str, tuple[str, Any, bool]]:
    """Of each key that begins with the queue's name: its type, its value, whether it expires."""
    keys = sorted([key async for key in client.scan_iter(f"{PREFIX}{queue}*", count=5000)])
    async with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.type(key).pttl(key)
        answers = await pipe.execute()
    types = dict(zip(keys, answers[::2], strict=True))
    expires = dict(zip(keys, answers[1::2], strict=True))
    async with client.pipeline(transaction=False) as pipe:
        for key, kind in types.items():
            _read(pipe, key, kind)
        values = await pipe.execute()
    found = zip(keys, values, strict=True)
    return {key: (types[key], value, expires[key] > 0) for key, value in found}


def _read(pipe: Any, key: str, kind: str) -> None:
    match kind:
        case "list":
            pipe.lrange(key, 0, -1)
        case "zset":
            pipe.zrange(key, 0, -1, withscores=True)
        case "stream":
            pipe.xrange(key)
        case "hash":
            pipe.hgetall(key)
        case "set":
            pipe.smembers(key)
        case _:
            pipe.get(key)


def job_ids(raw: dict[str, tuple[str, Any, bool]], queue: str) -> list[str]:
    """Those of the jobs that this queue has."""
    place = f"{PREFIX}{queue}:"
    return [
        key.removeprefix(place)
        for key, (kind, value, _) in raw.items()
        if key.startswith(place) and kind == "hash" and "timestamp" in value and "opts" in value
    ]


def snapshot(raw: dict[str, tuple[str, Any, bool]], normal: Normal) -> Snapshot:
    """The same for both sides, where both did the same."""
    shown: Snapshot = {}
    for key, (kind, value, expires) in raw.items():
        name = short(key, normal.queue)
        shown |= _shown(normal, normal.text(name), kind, value)
        if expires:
            shown[f"{normal.text(name)}/(expires)"] = True
    return {path: value for path, value in shown.items() if not _BY_MINUTE.search(path)}


def short(key: str, queue: str) -> str:
    """`completed` of the scenario's own queue, `{Q}b:completed` of another."""
    return key.removeprefix(PREFIX).removeprefix(f"{queue}:")


def delays_of_jobs(raw: dict[str, tuple[str, Any, bool]]) -> list[int]:
    """The `delay` of each, but of those whose time a schedule has set."""
    hashes = [value for kind, value, _ in raw.values() if kind == "hash"]
    delays = [one.get("delay", "") for one in hashes if _SCHEDULED not in one]
    return [int(one) for one in delays if one.isdecimal() and int(one) >= _LONG_MS]


def _shown(normal: Normal, name: str, kind: str, value: Any) -> Snapshot:
    match kind:
        case "hash":
            return _hash(normal, name, _without_time_left(normal, value))
        case "list":
            return {name: [normal.text(one) for one in value]}
        case "set":
            return {name: sorted(normal.text(one) for one in value)}
        case "zset":
            return {name: _sorted_set(normal, name, value)}
        case "stream":
            return {name: _events([_event(normal, fields) for _, fields in value])}
        case "string" if value is not None:  # else it expired meanwhile
            return {name: normal.text(value)}
        case _:
            return {}


def _hash(normal: Normal, name: str, fields: dict[str, str]) -> Snapshot:
    shown = _order(name, fields)
    for field, text in fields.items():
        shown |= _field(normal, f"{name}/{normal.text(field)}", field, text)
    return shown


def _field(normal: Normal, path: str, field: str, text: str) -> Snapshot:
    match field:
        case "stacktrace":
            return {path: traces(normal.text(text))}
        case "delay" if text.isdecimal():
            return {path: normal.delay(int(text))}
        case "opts":
            return _options(normal, path, text)
        case "offset":
            return {path: normal.text(f'"offset":{text}').removeprefix('"offset":')}
        case _:
            return {path: normal.text(text)}


def _options(normal: Normal, path: str, text: str) -> Snapshot:
    """Each for itself: in which order Lua writes them is chance."""
    try:
        options = json.loads(text)
        texts = {name: json.dumps(one, sort_keys=True) for name, one in options.items()}
    except (ValueError, AttributeError):
        return {path: normal.text(text)}
    return {f"{path}/{name}": normal.text(one) for name, one in texts.items()}


def traces(text: str) -> Any:
    """Each stack trace as the message of its error, which both sides have: frames differ."""
    try:
        return [_trace(one) for one in json.loads(text)]
    except (ValueError, TypeError, AttributeError):
        return text


def _trace(text: str) -> str:
    lines = text.strip().splitlines() or [""]
    named = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    return _CLASS.sub("", named)


def _without_time_left(normal: Normal, fields: dict[str, str]) -> dict[str, str]:
    """A job that a scheduler made has the time of its turn in place of the time until then."""
    if _SCHEDULED not in fields or "timestamp" not in fields:
        return fields

    def due(delay: str) -> str:
        return delay and f"until {normal.moment(int(fields['timestamp']) + int(delay))}"

    options = _DELAY.sub(lambda found: f'"delay":"{due(found[1])}"', fields.get("opts", ""))
    delay = fields.get("delay", "0")
    return {**fields, "delay": delay if delay == "0" else due(delay), "opts": options}


def _order(name: str, fields: dict[str, str]) -> Snapshot:
    """Whether a job was added, begun and ended in this order, as far as it got."""
    times = [fields.get(one, "") for one in ("processedOn", "finishedOn")]
    known = [int(one) for one in times if one.isdecimal()]
    return {f"{name}/(order)": known == sorted(known)} if known else {}


def _sorted_set(normal: Normal, name: str, members: list[tuple[str, float]]) -> list[str]:
    own = name.rpartition(":")[2]
    shown = [f"{normal.text(one)} @ {_score(normal, own, score)}" for one, score in members]
    return sorted(shown) if own in _BY_TIME_OF_END else shown


def _score(normal: Normal, name: str, score: float) -> str:
    if name == "delayed":
        return normal.moment(score // _SCORE_OF_MS)
    return normal.text(f"{score:.0f}")


def _events(told: list[dict[str, str]]) -> list[dict[str, str]]:
    """With those of each removal in one order: in which a parent's children go is chance.

    They stand in an unordered set of Redis, whose order differs from server to server.
    """
    shown: list[dict[str, str]] = []
    for is_removal, group in groupby(told, key=_is_of_removal):
        events = list(group)
        shown += sorted(events, key=lambda one: sorted(one.items())) if is_removal else events
    return shown


def _is_of_removal(event: dict[str, str]) -> bool:
    """Of removed jobs, and of parents that waited for them."""
    return event.get("event") == "removed" or event.get("prev") == "waiting-children"


def _event(normal: Normal, fields: dict[str, str]) -> dict[str, str]:
    return {name: normal.text(text) for name, text in fields.items()}
