"""What stays of finished jobs."""

from typing import Any

from tests.interop.steps import add, pass_ms, work

RULES: dict[str, Any] = {
    "true": True,
    "false": False,
    "none": 0,
    "two": 2,
    "minus-one": -1,
    "count": {"count": 2},
    "count-none": {"count": 0},
    "age": {"age": 3_600},
    "age-and-count": {"age": 3_600, "count": 1},
    "age-and-limit": {"age": 3_600, "limit": 1},
}

_DONE = {"sleep": 4}
_FAILED = {"sleep": 4, "fail": 1}


def _four(data: Any, **opts: Any) -> list[Any]:
    return [add(f"a{n}", data, **opts) for n in range(4)]


SCENARIOS = {
    **{
        f"keep-completed-{name}": [*_four(_DONE, removeOnComplete=rule), work()]
        for name, rule in RULES.items()
    },
    **{
        f"keep-failed-{name}": [*_four(_FAILED, removeOnFail=rule), work()]
        for name, rule in RULES.items()
    },
    "keep-completed-by-age": [
        *_four(_DONE),
        work(),
        pass_ms(1_200),
        add("b", _DONE, removeOnComplete={"age": 1}),
        work(),
    ],
    "keep-failed-by-age": [
        *_four(_FAILED),
        work(),
        pass_ms(1_200),
        add("b", _FAILED, removeOnFail={"age": 1, "count": 10, "limit": 2}),
        work(),
    ],
    "keep-mixed": [
        add("a", _DONE, removeOnComplete=1, removeOnFail=1),
        add("b", _FAILED, removeOnComplete=1, removeOnFail=1),
        add("c", _DONE, removeOnComplete=1, removeOnFail=1),
        add("d", _FAILED, removeOnComplete=1, removeOnFail=1),
        work(),
    ],
    "keep-as-the-worker-says": [
        *_four(_DONE),
        add("b", _FAILED),
        work(removeOnComplete={"count": 1}, removeOnFail={"count": 0}),
    ],
    "keep-as-the-worker-says-by-age": [
        *_four(_DONE),
        work(),
        pass_ms(1_200),
        add("b", _DONE),
        work(removeOnComplete={"age": 1, "count": 3}),
    ],
    "keep-as-the-job-says": [
        *_four(_DONE, removeOnComplete=False),
        add("b", _FAILED, removeOnFail=2),
        work(removeOnComplete={"count": 1}, removeOnFail={"count": 0}),
    ],
    "keep-logs-of-removed": [add("a", {"log": ["x"]}, removeOnComplete=True), work()],
    "keep-not-yet": [add("a", _FAILED, attempts=2, removeOnFail=True), add("b", _FAILED), work()],
}
