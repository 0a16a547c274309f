"""Random programs: what a producer may do in any order, turns of the worker in between.

The same seed makes the same program. All happens while the worker rests, or while its one job waits
at a gate; then it works alone, one job at a time, so that the order of things is the same on both
sides. Whatever is delayed is so for hours, until a step promotes it, or for a millisecond.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from tests.interop.steps import (
    HOUR,
    Q,
    Step,
    Steps,
    add,
    call,
    flow,
    job,
    node,
    opened,
    refusable,
    scheduler,
    start,
    until,
    work,
)

_FLAGS = (
    "failParentOnFailure",
    "continueParentOnFailure",
    "ignoreDependencyOnFailure",
    "removeDependencyOnFailure",
)
_BACKOFFS: tuple[Any, ...] = (
    HOUR,
    {"type": "fixed", "delay": 2 * HOUR},
    {"type": "exponential", "delay": HOUR},
    {"type": "fixed", "delay": 4 * HOUR, "jitter": 0.5},
)
_KEPT: tuple[Any, ...] = (True, False, 1, 2, {"count": 1}, {"age": 3_600})
_YEARLY = {"pattern": "0 3 1 1 *"}
_CLEANED = ("completed", "failed", "wait", "delayed", "prioritized")


class Program:
    """One, made of a number of its own."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._ids: list[str] = []

    def steps(self) -> Steps:
        """Two to four turns of the worker, a few calls before each."""
        found: list[Step] = []
        for _ in range(self._random.randint(2, 4)):
            found += [self._step() for _ in range(self._random.randint(2, 7))]
            if self._random.random() < 0.3:
                found += self._while_active()
            found.append(work())
        return found

    def _while_active(self) -> Steps:
        """A job that is taken first and waits, and a few steps meanwhile."""
        gated = f"g{len(self._ids):02}"
        begun = [add(gated, {**self._data(), "gate": gated}, lifo=True, attempts=2)]
        begun += [call("resume"), start(), until(gated, "active")]
        self._ids.append(gated)
        meanwhile = [self._step() for _ in range(self._random.randint(1, 4))]
        return [*begun, *meanwhile, opened(gated)]

    def _step(self) -> Step:
        kinds: dict[Callable[[], Step], int] = {
            self._added: 12,
            self._flow: 4,
            self._scheduler: 1,
            self._of_job: 10,
            self._of_queue: 6,
        }
        return refusable(self._random.choices([*kinds], [*kinds.values()])[0]())

    def _new_id(self) -> str:
        """Mostly a new one."""
        if self._ids and self._random.random() < 0.1:
            return self._random.choice(self._ids)
        self._ids.append(f"j{len(self._ids):02}")
        return self._ids[-1]

    def _added(self) -> Step:
        return add(self._new_id(), self._data(), **self._options())

    def _data(self) -> dict[str, Any]:
        chance = self._random.random()
        if chance < 0.35:
            return {"fail": self._random.randint(1, 4)}
        if chance < 0.42:
            return {"unrecoverable": "no"}
        return {"return": self._random.choice([1, "x", None, {"a": [1]}])}

    def _options(self) -> dict[str, Any]:
        some: dict[str, Callable[[], Any]] = {
            "priority": lambda: self._random.randint(1, 3),
            "delay": lambda: self._random.choice((1, HOUR, 2 * HOUR)),
            "lifo": lambda: True,
            "attempts": lambda: self._random.randint(0, 4),
            "backoff": lambda: self._random.choice(_BACKOFFS),
            "removeOnComplete": lambda: self._random.choice(_KEPT),
            "removeOnFail": lambda: self._random.choice(_KEPT),
            "keepLogs": lambda: 1,
            "stackTraceLimit": lambda: self._random.randint(0, 2),
            "deduplication": self._deduplication,
        }
        return {name: make() for name, make in some.items() if self._random.random() < 0.2}

    def _deduplication(self) -> dict[str, Any]:
        how = self._random.choice(({}, {"ttl": HOUR}, {"ttl": HOUR, "extend": True}))
        return {"id": self._random.choice("xy"), **how}

    def _flow(self) -> Step:
        children = [self._node(1) for _ in range(self._random.randint(1, 3))]
        return flow(node(self._new_id(), *children, data=self._data()))

    def _node(self, depth: int) -> Any:
        below = [self._node(depth + 1)] if depth < 3 and self._random.random() < 0.25 else []
        flags = {self._random.choice(_FLAGS): True} if self._random.random() < 0.6 else {}
        delay = {"delay": HOUR} if self._random.random() < 0.1 else {}
        return node(self._new_id(), *below, data=self._data(), **flags, **delay)

    def _scheduler(self) -> Step:
        repeat = self._random.choice(
            ({"pattern": "0 3 1 1 *"}, {"pattern": "0 4 * 2 *", "limit": 2})
        )
        return scheduler(self._random.choice("st"), repeat, self._data())

    def _of_job(self) -> Step:
        """Something done to a job, which may not be there."""
        one = self._random.choice(self._ids or ["j00"])
        calls: tuple[tuple[Any, ...], ...] = (
            ("promote",),
            ("retry", "failed"),
            ("retry", "completed"),
            ("remove",),
            ("changeDelay", 3 * HOUR),
            ("changePriority", {"priority": self._random.randint(0, 3)}),
            ("updateData", self._data()),
            ("updateProgress", {"percent": 50}),
            ("log", "a line"),
            ("removeChildDependency",),
            ("getChildrenValues",),
        )
        return job(one, *self._random.choice(calls))

    def _of_queue(self) -> Step:
        calls: tuple[tuple[Any, ...], ...] = (
            ("pause",),
            ("resume",),
            ("resume",),
            ("promoteJobs",),
            ("promoteJobs",),
            ("retryJobs",),
            ("drain", self._random.random() < 0.5),
            ("clean", 0, 0, self._random.choice(_CLEANED)),
            ("setGlobalConcurrency", 1),
            ("removeDeduplicationKey", "x"),
            ("removeJobScheduler", "s"),
        )
        method, *args = self._random.choice(calls)
        return call(method, *args, queue=Q)


def program(seed: int) -> Steps:
    """The program of that number."""
    return Program(seed).steps()
