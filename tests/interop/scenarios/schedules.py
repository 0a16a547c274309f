"""Job schedulers."""

from typing import Any

from tests.interop.steps import DAY, HOUR, Steps, add, call, job, refusable, scheduler, work

_YEARLY = "0 3 1 1 *"
_OPTS: dict[str, Any] = {
    "priority": 4,
    "attempts": 3,
    "backoff": {"type": "fixed", "delay": HOUR, "jitter": 0.5},
    "removeOnComplete": 100,
    "keepLogs": 5,
}

# What a scheduler is told, its next run promoted, and the one after that compared.
REPEATS: dict[str, Any] = {
    "pattern": {"pattern": _YEARLY},
    "pattern-seconds": {"pattern": "30 0 3 1 1 *"},
    "pattern-tz": {"pattern": _YEARLY, "tz": "Asia/Shanghai"},
    "pattern-month-names": {"pattern": "0 12 * JAN,JUL SUN"},
    "pattern-last-day": {"pattern": "0 0 L 2 *", "startDate": "2031-02-01T00:00:00Z"},
    "pattern-yearly": {"pattern": "@yearly"},
    "pattern-limit": {"pattern": _YEARLY, "limit": 2},
    "pattern-limit-reached": {"pattern": _YEARLY, "limit": 1},
    "pattern-end-date": {"pattern": _YEARLY, "endDate": "2099-01-01T00:00:00Z"},
    "pattern-end-date-reached": {"pattern": "0 3 * * *", "endDate": "{now+172800000}"},
    "pattern-start-date": {"pattern": _YEARLY, "startDate": "2031-06-01T00:00:00Z"},
    "pattern-immediately": {"pattern": _YEARLY, "immediately": True},
    "every": {"every": 10 * DAY},
    "every-limit": {"every": 10 * DAY, "limit": 2},
    "every-end-date": {"every": 10 * DAY, "endDate": "{now+864000000}"},
    "every-start-date": {"every": 10 * DAY, "startDate": "2031-06-01T00:00:00Z"},
    "every-offset": {"every": 10 * DAY, "offset": 5_000_000},
    "every-immediately": {"every": 10 * DAY, "immediately": True},
}

# The night in which the clocks change, and those around it.
CHANGES = {
    "berlin-spring": ("30 2 * * *", "Europe/Berlin", "2031-03-29T00:00:00Z"),
    "berlin-autumn": ("30 2 * * *", "Europe/Berlin", "2031-10-25T00:00:00Z"),
    "new-york-spring": ("30 2 * * *", "America/New_York", "2031-03-08T05:00:00Z"),
    "new-york-autumn": ("30 1 * * *", "America/New_York", "2031-11-01T04:00:00Z"),
    "lord-howe-spring": ("15 2 * * *", "Australia/Lord_Howe", "2031-10-03T14:00:00Z"),
    "hourly-over-spring": ("0 * * * *", "Europe/Berlin", "2031-03-30T00:00:00Z"),
    "hourly-over-autumn": ("0 * * * *", "Europe/Berlin", "2031-10-26T00:00:00Z"),
    "none-in-shanghai": ("30 2 * * *", "Asia/Shanghai", "2031-03-29T00:00:00Z"),
}


def _thrice(repeat: Any, *, data: Any = None, **opts: Any) -> Steps:
    turns = [call("promoteJobs"), work(within=50)] * 3
    return [scheduler("s", repeat, data, **opts), *turns, call("getJobSchedulers")]


SCENARIOS: dict[str, Steps] = {
    **{f"scheduler-{name}": _thrice(one) for name, one in REPEATS.items()},
    **{
        f"scheduler-clocks-{name}": _thrice({"pattern": pattern, "tz": tz, "startDate": begin})
        for name, (pattern, tz, begin) in CHANGES.items()
    },
    "scheduler-options": _thrice({"pattern": _YEARLY}, data={"return": "ü"}, **_OPTS),
    "scheduler-every-options": _thrice({"every": 10 * DAY}, data={"return": 1}, **_OPTS),
    "scheduler-fails": _thrice({"pattern": _YEARLY}, data={"fail": 9}, attempts=2, backoff=HOUR),
    "scheduler-fails-for-good": _thrice({"every": 10 * DAY}, data={"unrecoverable": "no"}),
    "scheduler-removes": _thrice({"every": 10 * DAY}, removeOnComplete=True, removeOnFail=True),
    "scheduler-telemetry": _thrice(
        {"pattern": _YEARLY}, telemetry={"metadata": "trace-1", "omitContext": True}
    ),
    "scheduler-short": [scheduler("s", {"every": 1_500, "limit": 2}), work(within=2_000)],
    "scheduler-seconds": [
        scheduler("s", {"pattern": "*/2 * * * * *", "limit": 2}),
        work(within=2_500),
    ],
    "scheduler-changed": [
        scheduler("s", {"pattern": _YEARLY}, {"return": 1}),
        scheduler("s", {"pattern": "0 4 1 1 *"}, {"return": 2}, attempts=2),
        call("promoteJobs"),
        work(),
    ],
    "scheduler-every-to-pattern": [
        scheduler("s", {"every": 10 * DAY}),
        work(),
        scheduler("s", {"pattern": _YEARLY}),
        call("promoteJobs"),
        work(),
    ],
    "scheduler-changed-between": [
        scheduler("s", {"every": 10 * DAY}, {"return": 1}),
        work(),
        scheduler("s", {"every": 10 * DAY}, {"return": 2}),
        call("promoteJobs"),
        work(),
    ],
    "scheduler-removed": [
        scheduler("s", {"every": 10 * DAY}),
        work(),
        call("removeJobScheduler", "s"),
        work(),
    ],
    "scheduler-two": [
        scheduler("s", {"every": 10 * DAY}),
        scheduler("t", {"pattern": _YEARLY}),
        add("a"),
        work(),
        call("promoteJobs"),
        work(),
    ],
    "scheduler-odd-id": [
        scheduler("ü:{x} y", {"every": 10 * DAY}),
        work(),
        call("getJobSchedulers"),
    ],
    "scheduler-paused": [
        scheduler("s", {"every": 10 * DAY}),
        call("pause"),
        work(),
        call("resume"),
        work(),
    ],
    "scheduler-retried": [
        scheduler("s", {"every": 10 * DAY}, {"fail": 9}),
        work(),
        call("retryJobs"),
        work(),
    ],
    "scheduler-without-its-hash": [
        scheduler("s", {"pattern": _YEARLY}),
        call("promoteJobs"),
        call("removeJobScheduler", "s"),
        work(),
    ],
    "scheduler-beside-a-job-of-its-key": [add("s"), scheduler("s", {"every": 10 * DAY}), work()],
    "scheduler-iteration-removed": [
        scheduler("s", {"pattern": _YEARLY}),
        call("clean", 0, 0, "delayed"),
        work(),
        refusable(job("none", "remove")),
    ],
}
