"""What is compared of an answer, and the differences between two."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import httpx

from services.net.http import service_error

_NAMES = {"str": "text", "bool": "yes or no", "int": "number", "float": "number"}


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer to one `step`: `code` is the vendor's word for a refusal, `shape` its body's.

    A shape is the set of "path: type", as in `$.data[].url: text`.
    """

    step: str
    status: int
    code: str
    shape: frozenset[str]


def seen(step: str, response: httpx.Response) -> Seen:
    """Of a response whose body was read."""
    error = service_error("", step, response) if response.is_error else None
    return Seen(step, response.status_code, (error and error.code) or "", _shape(response))


def not_seen(step: str, why: str) -> Seen:
    """Of an answer that did not come."""
    return Seen(step, 0, why, frozenset())


def differences(real: Sequence[Seen], stand_in: Sequence[Seen]) -> list[tuple[str, str, str, str]]:
    """Each as (step, what, the vendor's, the stand-in's)."""
    found: list[tuple[str, str, str, str]] = []
    for one, other in zip(real, stand_in, strict=False):
        found += _between(one, other)
    if len(real) != len(stand_in):
        found.append(("all", "answers", str(len(real)), str(len(stand_in))))
    return found


def _between(real: Seen, stand_in: Seen) -> Iterator[tuple[str, str, str, str]]:
    if real.status != stand_in.status:
        yield real.step, "status", str(real.status), str(stand_in.status)
    if real.code != stand_in.code:
        yield real.step, "code", real.code, stand_in.code
    for part in sorted(real.shape - stand_in.shape):
        yield real.step, "body", part, ""
    for part in sorted(stand_in.shape - real.shape):
        yield real.step, "body", "", part


def _shape(response: httpx.Response) -> frozenset[str]:
    try:
        value = json.loads(response.content)
    except ValueError:
        return frozenset({"no JSON"})
    return frozenset(_parts(value, "$"))


def _parts(value: Any, path: str) -> Iterator[str]:
    match value:
        case dict():
            fields = cast("dict[str, Any]", value)
            yield from _inside(path, "object", [(f"{path}.{key}", fields[key]) for key in fields])
        case list():
            items = cast("list[Any]", value)
            yield from _inside(path, "list", [(f"{path}[]", item) for item in items])
        case _:
            yield f"{path}: {_NAMES.get(type(value).__name__, 'null')}"


def _inside(path: str, name: str, inside: Sequence[tuple[str, Any]]) -> Iterator[str]:
    if not inside:
        yield f"{path}: empty {name}"
    for place, value in inside:
        yield from _parts(value, place)
