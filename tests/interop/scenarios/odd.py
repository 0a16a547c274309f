"""What producers may send that nobody expects: ids, data, options."""

from typing import Any

from tests.interop.steps import HOUR, Steps, add, call, job, look, redis, refusable, work

IDS = {
    "space": "a b",
    "not-ascii": "ü每🐈",
    "dots": "../a.b",
    "slashes": "a/b\\c",
    "quotes": '"a\'b"',
    "number": "12",
    "number-like": "1e3",
    "zero": "0",
    "negative": "-1",
    "leading-zero": "007",
    "colon": "a:b",
    "two-colons": "a:b:c",
    "long": "i" * 2_000,
    "brackets": "[a]*?",
    "braces": "{a}",
    "percent": "%s%n",
    "of-a-prototype": "__proto__",
    "line-break": "a\nb",
    "empty": "",
}


def _nested(levels: int) -> Any:
    return [_nested(levels - 1)] if levels else []


DATA: dict[str, Any] = {
    "number": 5,
    "text": "text",
    "list": [1, {"a": 2}],
    "false": False,
    "empty-list": [],
    "not-ascii": {"每": "ü", "return": "🐈"},
    "prototype": {"__proto__": 1, "constructor": 2},
    "deep": {"a": {"a": {"a": {"a": {"a": {"a": [[[[[[1]]]]]]}}}}}},
    "large-number": {"n": 12345678901234567890, "return": 1},
    "lone-surrogate": {"a": "\udc00"},
    "control": {"a": "\u0000\u001f\u007f"},
    "half-a-megabyte": {"a": "x" * 500_000},
    "two-megabytes": {"a": "x" * 2_200_000},
    "many-levels": _nested(150),
}

OPTIONS: dict[str, Any] = {
    "unknown": {"nobodyKnows": {"a": 1}},
    "telemetry": {"telemetry": {"metadata": "00-trace-01", "omitContext": False}},
    "telemetry-omitted": {"telemetry": {"omitContext": True}},
    "size-limit": {"sizeLimit": 1},
    "size-limit-kept": {"sizeLimit": 10_000},
    "attempts-and-delay-text": {"delay": "20"},
    "null": {"priority": None, "attempts": None, "delay": None},
    "remove-null": {"removeOnComplete": None, "removeOnFail": None},
    "keep-logs-zero": {"keepLogs": 0},
    "debounce": {"debounce": {"id": "x", "ttl": HOUR}},
    "prev-millis": {"prevMillis": 5},
}

# Fields of a job's hash as no BullMQ writes them, but another client may.
FIELDS = {
    "unknown-field": ("whatever", "x"),
    "progress-number": ("progress", "7"),
    "delay-fraction": ("delay", "0.5"),
    "attempts-made": ("atm", "2"),
    "attempts-started": ("ats", "7"),
    "stalled-counter": ("stc", "3"),
    "old-failure": ("failedReason", "from before"),
    "old-trace": ("stacktrace", '["old one"]'),
    "deferred-failure": ("defa", "said to fail"),
    "priority": ("priority", "9"),
    "no-name": ("name", ""),
}

SCENARIOS: dict[str, Steps] = {
    **{f"id-{name}": [refusable(add(one)), work()] for name, one in IDS.items()},
    **{f"data-{name}": [add("a", one), work()] for name, one in DATA.items()},
    **{
        f"option-{name}": [
            refusable(add("a", {"log": ["1"], "fail": 1}, **{"attempts": 2, **one})),
            work(),
        ]
        for name, one in OPTIONS.items()
    },
    **{
        f"field-{name}": [
            add("a", {"fail": 1}, attempts=2),
            redis("HSET", "bull:{Q}:a", field, value),
            work(),
        ]
        for name, (field, value) in FIELDS.items()
    },
    "field-no-options": [add("a"), redis("HDEL", "bull:{Q}:a", "opts"), work()],
    "field-no-data": [add("a"), redis("HDEL", "bull:{Q}:a", "data"), work()],
    "field-no-timestamp": [add("a"), redis("HDEL", "bull:{Q}:a", "timestamp"), work()],
    "job-without-its-hash": [add("a"), add("b"), redis("DEL", "bull:{Q}:a"), work()],
    "job-lost-its-delay": [
        add("a", {"fail": 1}, attempts=3, backoff=HOUR),
        work(),
        redis("ZREM", "bull:{Q}:delayed", "a"),
        redis("LPUSH", "bull:{Q}:wait", "a"),
        work(),
    ],
    "events-trimmed": [add("a"), redis("DEL", "bull:{Q}:events"), work()],
    "meta-gone": [add("a"), redis("DEL", "bull:{Q}:meta"), work()],
    "stalled-before": [
        add("a"),
        redis("RPOPLPUSH", "bull:{Q}:wait", "bull:{Q}:active"),
        redis("SADD", "bull:{Q}:stalled", "a"),
        add("b"),
        work(),
        look(),
    ],
    "stalled-too-often": [
        add("a"),
        redis("RPOPLPUSH", "bull:{Q}:wait", "bull:{Q}:active"),
        redis("SADD", "bull:{Q}:stalled", "a"),
        redis("HSET", "bull:{Q}:a", "stc", 1),
        add("b"),
        work(),
    ],
    "stalled-parent-flag": [
        add("a", {"return": 1}, removeOnFail=True),
        redis("RPOPLPUSH", "bull:{Q}:wait", "bull:{Q}:active"),
        redis("SADD", "bull:{Q}:stalled", "a"),
        redis("HSET", "bull:{Q}:a", "stc", 4),
        work(),
    ],
    "counted-ids-go-on": [add(), add(), work(), call("obliterate"), add(), work()],
    "job-added-in-bulk-with-options": [
        call(
            "addBulk",
            [
                {"name": "x", "data": {"fail": 1}, "opts": {"jobId": "x", "attempts": 2}},
                {"name": "y", "data": None, "opts": {"jobId": "y", "delay": HOUR}},
                {"name": "z", "opts": {"jobId": "z", "priority": 2}},
            ],
        ),
        work(),
        job("y", "getState"),
    ],
}
