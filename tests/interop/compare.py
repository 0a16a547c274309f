"""Where two runs of one scenario differ. Pure."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from tests.interop.stage import Run

ABSENT = "(absent)"


@dataclass(frozen=True, slots=True)
class Difference:
    """At one path: `1/returnvalue`, `completed`, `events/progress`, `(answers)/step 3 add`."""

    path: str
    node: str
    ours: str

    def __str__(self) -> str:
        return f"{self.path}: Node {self.node}, ours {self.ours}"


def differences(node: Run, ours: Run) -> list[Difference]:
    """All of them, each once however many looks show it."""
    found = dict.fromkeys(_of_values("(answers)/", node.answers, ours.answers))
    for left, right in zip_longest(node.looks, ours.looks, fillvalue={}):
        found |= dict.fromkeys(_of_values("", left, right))
    return [*found]


def faults(node: Run, ours: Run) -> list[Difference]:
    """What both sides were refused, or waited for in vain, though the scenario expects neither."""
    return [
        Difference(f"(fault of the scenario)/{step}", answer, answer)
        for step, answer in node.faults.items()
        if ours.faults.get(step) == answer
    ]


def _of_values(place: str, node: dict[str, Any], ours: dict[str, Any]) -> Iterator[Difference]:
    for path in [*node, *(one for one in ours if one not in node)]:
        left, right = node.get(path, ABSENT), ours.get(path, ABSENT)
        if left == right:
            continue
        if path.rpartition(":")[2] == "events":
            yield from _of_events(path, left, right)
        else:
            yield Difference(f"{place}{path}", _text(left), _text(right))


def _of_events(path: str, node: Any, ours: Any) -> Iterator[Difference]:
    """Events that only one side has, and those of one job that tell different things."""
    left = [] if node == ABSENT else node
    right = [] if ours == ABSENT else ours
    texts = [[json.dumps(one, sort_keys=True) for one in side] for side in (left, right)]
    matcher = difflib.SequenceMatcher(None, *texts, autojunk=False)
    for kind, begin, end, start, stop in matcher.get_opcodes():
        if kind != "equal":
            yield from _of_block(path, left[begin:end], right[start:stop])


def _of_block(
    path: str, node: list[dict[str, str]], ours: list[dict[str, str]]
) -> Iterator[Difference]:
    rest = [*ours]
    for one in node:
        other = next((two for two in rest if _is_of_same(one, two)), None)
        if other is None:
            yield Difference(f"{path}/{one.get('event')}", _text(one), ABSENT)
            continue
        rest.remove(other)
        for name in {**one, **other}:
            if one.get(name) != other.get(name):
                where = f"{path}/{one['event']}/{name}"
                yield Difference(where, one.get(name, ABSENT), other.get(name, ABSENT))
    for two in rest:
        yield Difference(f"{path}/{two.get('event')}", ABSENT, _text(two))


def _is_of_same(one: dict[str, str], two: dict[str, str]) -> bool:
    return all(one.get(name) == two.get(name) for name in ("event", "jobId"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
