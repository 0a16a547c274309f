import json
from typing import Any

import pytest

from bullmq_consumer.protocol.failures import failure_fields
from bullmq_consumer.protocol.job import read_job


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, ["first", "second", "third"]),
        ({"stackTraceLimit": 2}, ["second", "third"]),
        ({"stackTraceLimit": 1}, ["third"]),
        ({"stackTraceLimit": 0}, []),
        ({"stackTraceLimit": 9}, ["first", "second", "third"]),
    ],
)
def test_the_newest_traces_are_kept(options: dict[str, Any], kept: list[str]) -> None:
    raw = {"opts": json.dumps(options), "stacktrace": json.dumps(["first", "second"])}
    fields = failure_fields(read_job(raw, "j", "w:1", 0.0), "why", "third")
    assert fields["failedReason"] == "why"
    assert json.loads(fields["stacktrace"]) == kept


def test_a_failure_without_a_trace_leaves_its_reason() -> None:
    fields = failure_fields(read_job({}, "j", "w:1", 0.0), "why", "")
    assert json.loads(fields["stacktrace"]) == ["why"]


def test_what_people_read_stands_beside_the_trace() -> None:
    fields = failure_fields(read_job({}, "j", "w:1", 0.0), "why", "", "Please try again")
    assert fields["failedReason"] == "Please try again"
    assert json.loads(fields["stacktrace"]) == ["why"]
