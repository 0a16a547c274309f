"""Odd job fields become such that the library can finish the job."""

import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullmq_consumer.delivery import read_checkpoint
from bullmq_consumer.protocol.job import job_of
from bullmq_consumer.sanitize.fields import (
    COUNTERS,
    MAX_NUMBER,
    corrupt_fields,
    safe_options,
    sanitized,
    with_whole_numbers,
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("given_attempts", "attempts"),
    [
        (3, 3),
        ("3", 3),
        (0, 0),
        (5000, 5000),
        (None, 1),
        ("many", 1),
        (2.5, 3),
        (-2, 0),
        (float("nan"), 1),
        ([], 1),
    ],
)
def test_attempts(given_attempts: Any, attempts: int) -> None:
    assert safe_options({"attempts": given_attempts})["attempts"] == attempts


@pytest.mark.parametrize(
    ("given_backoff", "backoff"),
    [
        ({"type": "exponential", "delay": 5000}, {"type": "exponential", "delay": 5000}),
        (500, {"type": "fixed", "delay": 500}),
        ({"type": "fixed", "delay": "3000"}, {"type": "fixed", "delay": 3000}),
        ({"type": "own"}, {"type": "own", "delay": 0}),
        ({"type": "fixed", "delay": 1e300}, {"type": "fixed", "delay": MAX_NUMBER}),
        ({"type": "fixed", "delay": 864_000_000}, {"type": "fixed", "delay": 864_000_000}),
        ("500", None),
        ({"type": "fixed", "delay": "soon"}, None),
        ({"type": "fixed", "delay": -1}, None),
        ({"type": "fixed", "delay": float("nan")}, None),
        (None, None),
        (True, None),
    ],
)
def test_backoff(given_backoff: Any, backoff: Any) -> None:
    assert safe_options({"backoff": given_backoff})["backoff"] == backoff


@pytest.mark.slow
@given(ANYTHING, ANYTHING)
def test_nothing_trips_it(attempts: Any, backoff: Any) -> None:
    options = safe_options({"attempts": attempts, "backoff": backoff, "kept": 1})
    assert isinstance(options["attempts"], int)
    assert options["backoff"] is None or 0 <= options["backoff"]["delay"] <= MAX_NUMBER
    assert options["kept"] == 1


@pytest.mark.parametrize("text", [None, "", "nonsense", "[1]", "null", "{"])
def test_a_checkpoint_that_is_none(text: str | None) -> None:
    assert read_checkpoint(text) == {}


def test_a_checkpoint() -> None:
    assert read_checkpoint('{"render": "r1"}') == {"render": "r1"}


def test_numbers_that_are_none_count_as_not_given() -> None:
    raw = {"name": "x", "ats": "2", "timestamp": "1700000000000.75", "delay": "-1.5"}
    odd = {"stc": "once", "atm": "", "priority": "1e999", "processedOn": "nan"}
    odd["finishedOn"] = "9" * 5000
    found = with_whole_numbers({**raw, **odd})
    assert found == {"name": "x", "ats": "2", "timestamp": "1700000000000", "delay": "-1"}
    assert with_whole_numbers({"name": "x", "ats": "2"}) == {"name": "x", "ats": "2"}


NAMES = st.sampled_from(
    [*("name", "data", "opts", "stacktrace", "progress", "parent", "parentKey"), *COUNTERS]
)


@pytest.mark.slow
@given(st.dictionaries(NAMES, st.text() | ANYTHING.map(json.dumps)))
def test_the_library_reads_what_is_made_safe(raw: dict[str, str]) -> None:
    safe = sanitized(raw)
    job = job_of(safe.fields, safe.options, safe.data, "1", "w:1", 0.0)
    assert isinstance(job.stacktrace, list)
    assert 0 <= job.attempts <= MAX_NUMBER
    packed = msgpack.packb([job.options.get("removeOnFail"), job.attempts, job.attempts_made])
    assert msgpack.unpackb(packed) is not None
    assert (
        corrupt_fields(
            {name: text for name, text in raw.items() if name not in corrupt_fields(raw)}
        )
        == []
    )


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"atm": "2", "ats": "-1", "stc": None}, []),
        ({"atm": "1.5", "ats": "once", "stc": "9" * 16}, ["ats", "atm", "stc"]),
        ({"parent": '{"id": "1", "queueKey": "bull:q"}', "parentKey": "bull:q:1"}, []),
        ({"parent": "{}", "parentKey": "bull:q:1"}, ["parent", "parentKey"]),
        ({"parentKey": "x"}, ["parent", "parentKey"]),
    ],
    ids=["numbers", "no-numbers", "parent", "empty-parent", "parent-without-queue"],
)
def test_what_scripts_trip_over(fields: dict[str, str | None], bad: list[str]) -> None:
    assert corrupt_fields(fields) == bad
