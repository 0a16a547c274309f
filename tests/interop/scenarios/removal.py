"""Drain, clean, obliterate, remove, retry: before, after and while jobs run."""

from typing import Any

from tests.interop.steps import (
    HOUR,
    Steps,
    add,
    call,
    flow,
    job,
    look,
    node,
    opened,
    refusable,
    start,
    until,
    work,
)

# One job of each state that outlasts a worker.
_EACH: Steps = [
    add("c"),
    add("f", {"fail": 1}),
    work(),
    add("w"),
    add("p", priority=1),
    add("d", delay=HOUR),
    flow(node("parent", node("child", delay=HOUR))),
]

_STATES = ("completed", "failed", "wait", "prioritized", "delayed", "active", "paused")

_GATED: Steps = [add("a", {"gate": "g"}), add("b"), start(), until("a", "active")]

# What a producer may do to a job that runs, or beside it.
MEANWHILE: dict[str, Any] = {
    "remove": refusable(job("a", "remove")),
    "remove-by-queue": call("remove", "a"),
    "remove-another": job("b", "remove"),
    "promote": refusable(job("a", "promote")),
    "retry": refusable(job("a", "retry", "failed")),
    "change-delay": refusable(job("a", "changeDelay", HOUR)),
    "change-priority": job("a", "changePriority", {"priority": 3}),
    "update-data": job("a", "updateData", {"x": 1}),
    "update-progress": job("a", "updateProgress", 33),
    "log": job("a", "log", "from outside"),
    "drain": call("drain"),
    "clean-active": call("clean", 0, 0, "active"),
    "obliterate": refusable(call("obliterate")),
    "same-id": add("a"),
    "before-it": add("first", lifo=True),
    "child": add("late", {"return": 3}, priority=1),
}

SCENARIOS: dict[str, Steps] = {
    "drain": [*_EACH, call("drain"), work()],
    "drain-delayed": [*_EACH, call("drain", True), work()],
    **{f"clean-{state}": [*_EACH, call("clean", 0, 0, state), work()] for state in _STATES},
    "clean-limit": [*(add(f"a{n}") for n in range(4)), work(), call("clean", 0, 2, "completed")],
    "clean-grace": [add("a"), work(), call("clean", HOUR, 0, "completed")],
    "obliterate": [*_EACH, call("obliterate"), add("new"), work()],
    "obliterate-paused": [*_EACH, call("pause"), call("obliterate"), add("new"), work()],
    **{
        f"meanwhile-{name}": [*_GATED, step, opened("g"), work()]
        for name, step in MEANWHILE.items()
    },
    "meanwhile-update-and-fail": [
        add("a", {"gate": "g", "fail": 1}, attempts=2),
        start(),
        until("a", "active"),
        job("a", "updateData", {"return": "new"}),
        opened("g"),
        work(),
    ],
    "meanwhile-obliterate-by-force": [
        *_GATED,
        call("obliterate", {"force": True}),
        look(),
        opened("g"),
        work(),
    ],
    "meanwhile-two": [
        add("a", {"gate": "g"}),
        add("b", {"gate": "h"}),
        start(concurrency=2),
        until("b", "active"),
        opened("h"),
        until("b", "completed"),
        opened("g"),
        work(),
    ],
    "remove-waiting": [add("a"), add("b"), job("a", "remove"), work()],
    "remove-by-queue": [add("a"), add("b"), call("remove", "a"), call("remove", "none"), work()],
    "remove-finished": [
        add("a"),
        add("b", {"fail": 1}),
        work(),
        job("a", "remove"),
        job("b", "remove"),
    ],
    "remove-retrying": [
        add("a", {"fail": 1}, attempts=2, backoff=HOUR),
        work(),
        job("a", "remove"),
    ],
    "remove-with-children": [flow(node("p", node("c", node("g")))), job("p", "remove"), work()],
    "remove-without-children": [
        flow(node("p", node("c"))),
        job("p", "remove", {"removeChildren": False}),
        work(),
    ],
    "remove-then-same-id": [add("a", {"fail": 1}), work(), job("a", "remove"), add("a"), work()],
    "retry-failed": [add("a", {"fail": 1}), work(), job("a", "retry", "failed"), work()],
    "retry-failed-twice": [
        add("a", {"fail": 9}),
        work(),
        job("a", "retry", "failed"),
        work(),
        job("a", "retry", "failed"),
        work(),
    ],
    "retry-completed": [add("a"), work(), job("a", "retry", "completed"), work()],
    "retry-wrong-state": [add("a"), work(), refusable(job("a", "retry", "failed")), work()],
    "retry-resets-attempts": [
        add("a", {"fail": 9}, attempts=2),
        work(),
        job("a", "retry", "failed", {"resetAttemptsMade": True, "resetAttemptsStarted": True}),
        work(),
    ],
    "retry-with-priority": [
        add("a", {"fail": 1}, priority=3),
        work(),
        job("a", "retry", "failed"),
        add("b", priority=1),
        work(),
    ],
    "retry-all-failed": [
        *(add(f"a{n}", {"fail": 1}) for n in range(3)),
        work(),
        call("retryJobs"),
        work(),
    ],
    "retry-all-completed": [
        *(add(f"a{n}") for n in range(3)),
        work(),
        call("retryJobs", {"state": "completed"}),
        work(),
    ],
    "retry-after-unrecoverable": [
        add("a", {"unrecoverable": "no"}, attempts=4),
        work(),
        job("a", "updateData", {"fail": 2}),
        job("a", "retry", "failed"),
        work(),
    ],
    "retry-with-backoff-left": [
        add("a", {"fail": 3}, attempts=2, backoff={"type": "exponential", "delay": HOUR}),
        work(),
        call("promoteJobs"),
        work(),
        job("a", "retry", "failed"),
        work(),
    ],
}
