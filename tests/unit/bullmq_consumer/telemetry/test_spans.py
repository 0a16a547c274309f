"""Spans of jobs: BullMQ's names and attributes, and what new jobs carry."""

import json
from datetime import timedelta

import pytest

from bullmq_consumer.new_job import JobDefaults, NewJob, bulk_entry
from bullmq_consumer.outcome import Done, Fail, FailLater, Outcome, Requeue, Retry
from bullmq_consumer.protocol.job import Job, read_job
from bullmq_consumer.telemetry.spans import UNTRACED, JobSpans
from bullmq_consumer.telemetry.tracer import NO_SPAN
from tests.support.spans import KeepingTracer


def job_with(**options: object) -> Job:
    return read_job({"name": "paint", "opts": json.dumps(options), "atm": "1"}, "7", "t", 0.0)


def test_an_attempt_goes_on_with_the_trace_that_its_job_names() -> None:
    tracer = KeepingTracer()
    with JobSpans(tracer, "q", "w").attempt(job_with(tm="the producer")) as attempt:
        attempt.ended(Done(None))
    [span] = tracer.spans
    assert (span.name, span.kind, span.parent) == ("process q", "consumer", "the producer")
    named = {name: value for name, value in span.attributes.items() if "timestamp" not in name}
    assert named == {
        "bullmq.queue.name": "q",
        "bullmq.queue.operation": "process",
        "bullmq.worker.id": "w",
        "bullmq.worker.name": "w",
        "bullmq.job.id": "7",
        "bullmq.job.name": "paint",
        "bullmq.job.attempts.made": 2,
        "bullmq.job.outcome": "completed",
    }
    times = [span.attributes[f"bullmq.job.{name}"] for name in ("processed.timestamp",)]
    assert all(isinstance(time, int) for time in times)


SOON = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("outcome", "end", "event", "failed", "made"),
    [
        (Done(1), "completed", "job completed", None, 2),
        (Retry("why"), "retried", "job failed", "why", 2),
        (Fail("why"), "failed", "job failed", "why", 2),
        (FailLater("why", SOON), "handed_back", "job handed back", None, 1),
        (Requeue(SOON, "why"), "handed_back", "job handed back", None, 1),
    ],
)
def test_its_span_says_what_became_of_it(
    outcome: Done | Outcome, end: str, event: str, failed: str | None, made: int
) -> None:
    tracer = KeepingTracer()
    with JobSpans(tracer, "q", "w").attempt(job_with()) as attempt:
        attempt.ended(outcome)
    [span] = tracer.spans
    assert (span.attributes["bullmq.job.outcome"], span.failed) == (end, failed)
    assert span.attributes["bullmq.job.attempts.made"] == made
    reason = {} if isinstance(outcome, Done) else {"bullmq.job.failed.reason": "why"}
    assert span.events == [(event, reason)]


def test_whoever_lost_the_job_cannot_say() -> None:
    tracer = KeepingTracer()
    with JobSpans(tracer, "q", "w").attempt(job_with()):
        pass
    assert tracer.spans[0].attributes["bullmq.job.outcome"] == "lost"


@pytest.mark.parametrize("metadata", [None, 7, ["a"], {"traceparent": "x"}])
def test_metadata_that_is_no_text_is_none(metadata: object) -> None:
    assert job_with(tm=metadata).trace_metadata is None


def test_new_jobs_carry_the_span_that_adds_them() -> None:
    tracer, new = KeepingTracer(), [NewJob("store", "s1", {}), NewJob("tell", "t2", {})]
    spans = JobSpans(tracer, "q", "w")
    with spans.attempt(job_with()), spans.added(new) as trace:
        entries = [bulk_entry(one, JobDefaults(), trace) for one in new]
    adding = tracer.spans[1]
    assert (adding.name, adding.kind, adding.parent) == ("addBulk q", "producer", "process q")
    assert adding.attributes["bullmq.job.bulk.names"] == ["store", "tell"]
    assert [entry["opts"]["tm"] for entry in entries] == ["addBulk q", "addBulk q"]


def test_without_a_tracer_nothing_is_written() -> None:
    with UNTRACED.attempt(job_with(tm="x")) as attempt, UNTRACED.added([]) as trace:
        attempt.ended(Done(None))
    assert (attempt.span, trace) == (NO_SPAN, None)
    assert "tm" not in bulk_entry(NewJob("store", "s1", {}), JobDefaults(), trace)["opts"]
