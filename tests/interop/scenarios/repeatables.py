"""Repeatable jobs as BullMQ 5 adds them: `queue.add` with `repeat`."""

from typing import Any

from tests.interop.steps import DAY, HOUR, Steps, add, call, work

VERSIONS = ("5.58.9", "5.81.3")

_YEARLY = "0 3 1 1 *"
REPEATS: dict[str, Any] = {
    "pattern": {"pattern": _YEARLY},
    "pattern-tz": {"pattern": _YEARLY, "tz": "America/New_York"},
    "pattern-limit": {"pattern": _YEARLY, "limit": 2},
    "pattern-key": {"pattern": _YEARLY, "key": "k"},
    "pattern-immediately": {"pattern": _YEARLY, "immediately": True},
    "pattern-start-date": {"pattern": _YEARLY, "startDate": "2031-06-01T00:00:00Z"},
    "pattern-end-date": {"pattern": _YEARLY, "endDate": "2099-01-01T00:00:00Z"},
    "every": {"every": 10 * DAY},
    "every-limit": {"every": 10 * DAY, "limit": 2},
    "every-immediately": {"every": 10 * DAY, "immediately": True},
    "every-key": {"every": 10 * DAY, "key": "k"},
    "every-offset": {"every": 10 * DAY, "offset": 5_000_000},
}


def _thrice(repeat: Any, data: Any = None, **opts: Any) -> Steps:
    turns = [call("promoteJobs"), work(within=50)] * 3
    return [add(None, data, repeat=repeat, **opts), *turns, call("getRepeatableJobs")]


SCENARIOS: dict[str, Steps] = {
    **{f"repeatable-{name}": _thrice(one, {"return": name}) for name, one in REPEATS.items()},
    "repeatable-without-data": _thrice({"every": 10 * DAY}),
    "repeatable-with-id": [add("a", repeat={"every": 10 * DAY}), call("promoteJobs"), work()],
    "repeatable-options": _thrice(
        {"pattern": _YEARLY},
        {"return": 1},
        priority=4,
        attempts=3,
        backoff={"type": "fixed", "delay": HOUR, "jitter": 0.5},
        removeOnComplete=100,
        keepLogs=3,
    ),
    "repeatable-fails": _thrice({"pattern": _YEARLY}, {"fail": 9}, attempts=2, backoff=HOUR),
    "repeatable-removed": [
        add(None, repeat={"pattern": _YEARLY}),
        call("promoteJobs"),
        call("removeRepeatable", "job", {"pattern": _YEARLY}),
        work(),
    ],
}
