"""Attempts, backoff, reasons."""

from typing import Any

from tests.interop.steps import DAY, HOUR, add, call, work

BACKOFFS: dict[str, Any] = {
    "none": None,
    "zero": 0,
    "number": HOUR,
    "short": 50,
    "fixed": {"type": "fixed", "delay": HOUR},
    "fixed-zero": {"type": "fixed", "delay": 0},
    "fixed-jitter": {"type": "fixed", "delay": HOUR, "jitter": 0.5},
    "fixed-jitter-all": {"type": "fixed", "delay": HOUR, "jitter": 1},
    "fixed-jitter-none": {"type": "fixed", "delay": HOUR, "jitter": 0},
    "fixed-jitter-odd": {"type": "fixed", "delay": 10_001, "jitter": 0.3},
    "exponential": {"type": "exponential", "delay": HOUR},
    "exponential-jitter": {"type": "exponential", "delay": HOUR, "jitter": 0.4},
    "exponential-fraction": {"type": "exponential", "delay": 5_000.7},
    "a-week": {"type": "fixed", "delay": 7 * DAY},
    "grows-over-a-day": {"type": "exponential", "delay": 20 * HOUR},
}

ATTEMPTS: dict[str, Any] = {
    "zero": 0,
    "one": 1,
    "negative": -1,
    "fraction": 2.5,
    "text": "3",
    "thousands": 2_500,
}

REASONS = {
    "empty": "",
    "two-lines": "first\nsecond",
    "not-ascii": "schlägt fehl 每天 🐈",
    "long": "r" * 3_000,
    "spaces": "  a   b  ",
    "lone-surrogate": "a\ud800b",
    "quotes": '{"a": "b"}',
}

_FAILS = {"fail": 9}

SCENARIOS = {
    "fail-once": [add("a", _FAILS), work()],
    "fail-then-succeed": [add("a", {"fail": 1}, attempts=2), work()],
    "fail-three-times": [add("a", _FAILS, attempts=3), work()],
    "fail-for-good-at-once": [add("a", {"unrecoverable": "no"}, attempts=5), work()],
    "fail-for-good-without-a-reason": [add("a", {"unrecoverable": " "}, attempts=5), work()],
    "fail-beside-others": [add("a", {"fail": 2}, attempts=3), add("b"), add("c", _FAILS), work()],
    "fail-with-priority": [
        add("a", {"fail": 1}, attempts=2, priority=3),
        add("b", priority=2),
        add("c", priority=4),
        work(),
    ],
    "fail-last-in-first-out": [
        add("a", {"fail": 1}, attempts=2, lifo=True),
        add("b", lifo=True),
        work(),
    ],
    **{
        f"backoff-{name}": [add("a", _FAILS, attempts=4, backoff=one), work()]
        for name, one in BACKOFFS.items()
    },
    "backoff-later-attempts": [
        add("a", _FAILS, attempts=5, backoff={"type": "exponential", "delay": HOUR}),
        work(),
        call("promoteJobs"),
        work(),
        call("promoteJobs"),
        work(),
    ],
    "backoff-jitter-later": [
        add("a", _FAILS, attempts=5, backoff={"type": "exponential", "delay": HOUR, "jitter": 0.5}),
        work(),
        call("promoteJobs"),
        work(),
    ],
    "backoff-to-success": [
        add("a", {"fail": 2}, attempts=3, backoff={"type": "fixed", "delay": 40}),
        work(),
    ],
    "backoff-with-priority": [add("a", _FAILS, attempts=2, priority=7, backoff=HOUR), work()],
    **{
        f"attempts-{name}": [add("a", {"fail": 1}, attempts=one), work()]
        for name, one in ATTEMPTS.items()
    },
    **{
        f"reason-{name}": [add("a", {"fail": 1, "error": one}), work()]
        for name, one in REASONS.items()
    },
    "traces-limit-none": [add("a", _FAILS, attempts=3, stackTraceLimit=0), work()],
    "traces-limit-one": [add("a", _FAILS, attempts=3, stackTraceLimit=1), work()],
    "traces-limit-two": [add("a", _FAILS, attempts=4, stackTraceLimit=2), work()],
    "requeue-later": [add("a", {"requeue": HOUR}), work()],
    "requeue-soon": [add("a", {"requeue": 60}, attempts=2), work()],
    "requeue-then-fail": [add("a", {"requeue": 60, "fail": 1}, attempts=2, backoff=HOUR), work()],
}
