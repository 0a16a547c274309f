"""Deduplication of each kind."""

from typing import Any

from tests.interop.steps import HOUR, add, call, job, opened, pass_ms, refusable, start, until, work


def _add(job_id: str, data: Any = None, *, delay: int | None = None, **how: Any) -> Any:
    opts = {} if delay is None else {"delay": delay}
    return add(job_id, data, deduplication={"id": "d", **how}, **opts)


SCENARIOS = {
    "dedup-simple": [_add("a"), _add("b"), work(), _add("c"), work()],
    "dedup-simple-failed": [_add("a", {"fail": 1}), _add("b"), work(), _add("c"), work()],
    "dedup-simple-retried": [
        add("a", {"fail": 9}, attempts=3, backoff=HOUR, deduplication={"id": "d"}),
        work(),
        _add("b"),
        job("a", "promote"),
        work(),
    ],
    "dedup-simple-removed": [_add("a"), job("a", "remove"), _add("b"), work()],
    "dedup-simple-removed-on-completion": [
        add("a", removeOnComplete=True, deduplication={"id": "d"}),
        work(),
        _add("b"),
        work(),
    ],
    "dedup-ttl": [_add("a", ttl=HOUR), _add("b", ttl=HOUR), work(), _add("c", ttl=HOUR), work()],
    "dedup-ttl-over": [_add("a", ttl=50), pass_ms(120), _add("b", ttl=HOUR), work()],
    "dedup-ttl-extended": [
        _add("a", ttl=HOUR, extend=True),
        _add("b", ttl=HOUR, extend=True),
        work(),
    ],
    "dedup-debounce": [
        _add("a", {"return": 1}, delay=HOUR, ttl=HOUR, extend=True, replace=True),
        _add("b", {"return": 2}, delay=60, ttl=HOUR, extend=True, replace=True),
        work(),
    ],
    "dedup-replace": [
        _add("a", {"return": 1}, delay=HOUR, replace=True),
        _add("b", {"return": 2}, delay=60, replace=True),
        work(),
    ],
    "dedup-reschedule": [
        _add("a", {"return": 1}, delay=HOUR, reschedule=True),
        _add("b", {"return": 2}, delay=60, reschedule=True),
        work(),
    ],
    "dedup-while-active": [
        _add("a", {"gate": "g"}),
        start(),
        until("a", "active"),
        _add("b"),
        opened("g"),
        work(),
    ],
    "dedup-keep-last-if-active": [
        _add("a", {"gate": "g"}, keepLastIfActive=True),
        start(),
        until("a", "active"),
        _add("b", {"return": "b"}, keepLastIfActive=True),
        _add("c", {"return": "c"}, keepLastIfActive=True),
        opened("g"),
        work(),
    ],
    "dedup-keep-last-if-active-fails": [
        _add("a", {"gate": "g", "fail": 1}, keepLastIfActive=True),
        start(),
        until("a", "active"),
        _add("b", {"return": "b"}, keepLastIfActive=True),
        opened("g"),
        work(),
    ],
    "dedup-keep-last-if-waiting": [
        _add("a", keepLastIfActive=True),
        _add("b", keepLastIfActive=True),
        work(),
    ],
    "dedup-keep-last-with-retry": [
        add(
            "a",
            {"gate": "g", "fail": 1},
            attempts=2,
            backoff=HOUR,
            deduplication={"id": "d", "keepLastIfActive": True},
        ),
        start(),
        until("a", "active"),
        _add("b", {"return": "b"}, keepLastIfActive=True),
        opened("g"),
        work(),
        job("a", "promote"),
        work(),
    ],
    "dedup-key-removed": [_add("a"), call("removeDeduplicationKey", "d"), _add("b"), work()],
    "dedup-key-removed-by-job": [
        _add("a"),
        refusable(job("a", "removeDeduplicationKey")),
        _add("b"),
        work(),
    ],
    "dedup-priority": [
        add("a", priority=3, deduplication={"id": "d"}),
        add("b", priority=1, deduplication={"id": "d"}),
        work(),
    ],
    "dedup-odd-id": [
        add("a", deduplication={"id": "ü:{x}"}),
        add("b", deduplication={"id": "ü:{x}"}),
        work(),
    ],
}
