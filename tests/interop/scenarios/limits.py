"""Limiters, global limits, pause and resume."""

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
    pass_ms,
    redis,
    refusable,
    start,
    until,
    work,
    work_held,
)

_THREE = [add(f"a{n}") for n in range(3)]

# What a queue may hold when it is paused, and what is done about it meanwhile.
STATES: dict[str, Steps] = {
    "waiting": [add("a"), add("b")],
    "prioritized": [add("a", priority=2), add("b", priority=1)],
    "delayed": [add("a", delay=HOUR), add("b", delay=20), pass_ms(60)],
    "failed": [add("a", {"fail": 1}), work(), add("b")],
    "completed": [add("a"), work(), add("b")],
    "retrying": [add("a", {"fail": 1}, attempts=2, backoff=HOUR), work(), add("b")],
    "parent": [flow(node("p", node("c")))],
    "scheduled": [call("upsertJobScheduler", "s", {"every": 864000000}, {"name": "job"})],
    "lifo": [add("a", lifo=True), add("b", lifo=True)],
    "deduplicated": [add("a", deduplication={"id": "d"}), add("b", deduplication={"id": "d"})],
}

CALLS: dict[str, Any] = {
    "add": add("new"),
    "add-priority": add("new", priority=1),
    "add-lifo": add("new", lifo=True),
    "promote-all": call("promoteJobs"),
    "retry-all": call("retryJobs"),
    "drain": call("drain"),
}

SCENARIOS: dict[str, Steps] = {
    **{
        f"pause-{name}": [*steps, call("pause"), work(), call("resume"), work()]
        for name, steps in STATES.items()
    },
    **{
        f"paused-{name}": [
            add("a"),
            add("d", delay=HOUR),
            call("pause"),
            step,
            work(),
            call("resume"),
            work(),
        ]
        for name, step in CALLS.items()
    },
    **{
        name: [
            first,
            add("b"),
            start(),
            until("a", "active"),
            call("pause"),
            opened("g"),
            work(),
            call("resume"),
            work(),
        ]
        for name, first in {
            "pause-while-active": add("a", {"gate": "g"}),
            "pause-while-failing": add("a", {"gate": "g", "fail": 1}, attempts=2),
        }.items()
    },
    "pause-while-last-child-works": [
        flow(node("p", node("c", data={"gate": "g"}))),
        start(),
        until("c", "active"),
        call("pause"),
        opened("g"),
        work(),
        call("resume"),
        work(),
    ],
    "pause-resume-while-idle": [start(), call("pause"), add("a"), call("resume"), work()],
    "limiter-of-the-worker": [*_THREE, work(limiter={"max": 2, "duration": 250})],
    "limiter-one": [*_THREE, work(limiter={"max": 1, "duration": 60})],
    "limiter-with-priority": [
        add("a", priority=2),
        add("b", priority=1),
        work(limiter={"max": 1, "duration": 80}),
    ],
    "limiter-and-failure": [
        add("a", {"fail": 1}, attempts=2),
        add("b"),
        work(limiter={"max": 1, "duration": 80}),
    ],
    "limit-by-queue": [add("a"), call("rateLimit", HOUR), work()],
    "limit-by-queue-with-a-limiter": [
        add("a"),
        call("rateLimit", HOUR),
        work_held(limiter={"max": 5, "duration": 60}),
    ],
    "limit-by-queue-with-a-limiter-while-active": [
        add("a", {"gate": "g"}),
        add("b"),
        start(limiter={"max": 5, "duration": HOUR}),
        until("a", "active"),
        call("rateLimit", HOUR),
        opened("g"),
        work_held(),
    ],
    "limit-by-queue-removed": [
        add("a"),
        call("rateLimit", HOUR),
        call("removeRateLimitKey"),
        work(),
    ],
    "limit-from-inside": [add("a", {"limit": 60}), add("b"), work()],
    "limit-from-inside-with-priority": [
        add("a", {"limit": 60}, priority=1),
        add("b", priority=1),
        add("c", priority=2),
        work(),
    ],
    "limit-from-inside-of-a-child": [flow(node("p", node("c", data={"limit": 60}))), work()],
    "limit-from-inside-while-paused": [
        add("a", {"gate": "g", "limit": 60}),
        add("b"),
        start(),
        until("a", "active"),
        call("pause"),
        opened("g"),
        work(),
        call("resume"),
        work(),
    ],
    "limit-from-inside-for-an-hour": [add("a", {"limit": HOUR}), add("b"), work_held()],
    "limit-from-inside-for-an-hour-with-a-limiter": [
        add("a", {"limit": HOUR}),
        add("b"),
        work_held(limiter={"max": 5, "duration": 60}),
        call("removeRateLimitKey"),
        work(),
    ],
    "limiter-and-limit-from-inside": [
        add("a", {"limit": 60}),
        add("b"),
        work(limiter={"max": 5, "duration": 60}),
    ],
    "global-concurrency": [call("setGlobalConcurrency", 1), *_THREE, work(concurrency=3)],
    "global-concurrency-and-backoff": [
        call("setGlobalConcurrency", 1),
        add("a", {"fail": 1}, attempts=2, backoff={"type": "fixed", "delay": 1000}),
        add("b"),
        work(concurrency=3),
    ],
    "global-concurrency-removed": [
        call("setGlobalConcurrency", 1),
        call("removeGlobalConcurrency"),
        *_THREE,
        work(),
    ],
    "global-rate-limit": [refusable(call("setGlobalRateLimit", 1, 60)), *_THREE, work()],
    "global-rate-limit-removed": [
        refusable(call("setGlobalRateLimit", 1, HOUR)),
        refusable(call("removeGlobalRateLimit")),
        *_THREE,
        work(),
    ],
    "limit-and-pause": [
        add("a"),
        call("rateLimit", HOUR),
        call("pause"),
        work(),
        call("resume"),
        work(),
    ],
    "limit-by-queue-while-active": [
        add("a", {"gate": "g"}),
        add("b"),
        start(),
        until("a", "active"),
        call("rateLimit", HOUR),
        opened("g"),
        work(),
    ],
    "max-started-attempts": [
        add("a", {"fail": 9}, attempts=5),
        work(maxStartedAttempts=2),
    ],
    "max-started-attempts-before": [
        add("a"),
        redis("HSET", "bull:{Q}:a", "ats", 7),
        add("b"),
        work(maxStartedAttempts=3),
    ],
    "max-started-attempts-handed-back": [
        add("a", {"requeue": 40}),
        work(maxStartedAttempts=1),
    ],
    "max-started-attempts-zero": [
        add("a", {"fail": 1}, attempts=2),
        work(maxStartedAttempts=0),
    ],
    "max-events": [call("trimEvents", 0), *_THREE, work(), call("trimEvents", 2), look()],
    "getters": [
        *_THREE,
        work(),
        call("getJobCountByTypes", "completed", "failed"),
        call("getCompleted"),
        call("getMetrics", "failed"),
        job("a0", "isCompleted"),
    ],
}
