"""One job, one worker: what it returns, what it says on its way."""

from typing import Any

from tests.interop.steps import add, call, job, work

RETURNED: dict[str, Any] = {
    "object": {"b": [1, 2.5, None], "a": {}},
    "null": None,
    "zero": 0,
    "false": False,
    "empty-text": "",
    "list": [1, [2, [3]]],
    "not-ascii": {"ü": "每天 🐈"},
    "quotes": 'a "b" \\ \n \t \u0001 \u2028 </script>',
    "lone-surrogate": "a\ud800b",
    "large-number": 9007199254740991,
    "exponent": [1e21, 1e-7, 123456789012345680000, 0.1],
    "whole-float": [1.0, -0.0, 100.0],
    "deep": {"a": {"b": {"c": {"d": {"e": [[[[1]]]]}}}}},
    "keys-in-order": {"z": 1, "10": 2, "a": 3, "2": 4},
}

SCENARIOS = {
    "basic-one-job": [add("a"), work()],
    "basic-counted-ids": [add(), add(), work()],
    "basic-many": [
        call("addBulk", [{"name": f"n{n}", "data": {"n": n}} for n in range(20)]),
        work(),
    ],
    "basic-concurrency": [
        *(add(f"a{n}", {"sleep": 200 * (n + 1)}) for n in range(4)),
        work(concurrency=4),
    ],
    "basic-two-turns": [add("a"), work(), add("b"), work()],
    "basic-no-job": [call("getJobCounts"), work()],
    "basic-same-id-twice": [add("a", {"return": 1}), add("a", {"return": 2}), work()],
    "basic-same-id-after-its-end": [add("a"), work(), add("a"), work()],
    "basic-log": [add("a", {"log": ["one", "zwei ü"]}), work()],
    "basic-keep-logs": [add("a", {"log": ["1", "2", "3", "4"]}, keepLogs=2), work()],
    "basic-log-from-outside": [
        add("a", {"log": ["in"]}),
        job("a", "log", "before"),
        work(),
        job("a", "log", "after"),
        call("getJobLogs", "a"),
    ],
    "basic-progress": [add("a", {"progress": [{"percent": 10}, {"percent": 20}]}), work()],
    "basic-progress-number": [add("a", {"progress": [10, 50, 100]}), work()],
    "basic-progress-text": [add("a", {"progress": ["half", ""]}), work()],
    "basic-progress-often": [add("a", {"progress": [{"n": n} for n in range(9)]}), work()],
    "basic-progress-list": [add("a", {"progress": [[1, 2], True, {"ü": "每"}]}), work()],
    "basic-progress-and-failure": [
        add("a", {"progress": [{"n": 1}], "fail": 1}, attempts=2),
        work(),
    ],
    **{f"return-{name}": [add("a", {"return": one}), work()] for name, one in RETURNED.items()},
    "return-big": [add("a", {"return": "x" * 300_000}), work()],
    "name-empty": [add("a", name=""), work()],
    "name-odd": [add("a", name="a:b ü {c}"), work()],
    "name-long": [add("a", name="n" * 400), work()],
    "name-default": [add("a", name="__default__"), work()],
}
