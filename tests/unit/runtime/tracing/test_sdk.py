"""OpenTelemetry behind the consumer's tracer: contexts, and what may stand in a span."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from loguru import logger

from bullmq_consumer.telemetry.tracer import NO_SPAN
from tests.support.logs import worker_log
from tests.support.otel import importable

if TYPE_CHECKING:
    from tests.support.sdk_spans import Traced

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
KEY = "sb_secret_0123456789"


@pytest.fixture
def traced() -> "Iterator[Traced]":
    with importable():
        from tests.support.sdk_spans import Traced

        traced = Traced(KEY)
        yield traced
        traced.close()


def metadata(flags: str = "01", **more: str) -> str:
    return json.dumps({"traceparent": f"00-{TRACE}-{PARENT}-{flags}", **more})


async def test_tasks_of_an_attempt_are_parts_of_its_trace(traced: "Traced") -> None:
    tracer = traced.tracer

    async def work(name: str) -> None:
        with tracer.span(name, "client"):
            await asyncio.sleep(0)

    with tracer.span("process q", "consumer", metadata()):
        await asyncio.gather(*(asyncio.create_task(work(name)) for name in ("a", "b")))
    spans = traced.spans()
    job = spans["process q"]
    assert (job.trace, job.parent) == (TRACE, PARENT)
    assert {(spans[name].trace, spans[name].parent) for name in ("a", "b")} == {(TRACE, job.id)}
    assert tracer.metadata() is None


async def test_jobs_side_by_side_have_traces_of_their_own(traced: "Traced") -> None:
    async def job(name: str) -> None:
        with traced.tracer.span(name, "consumer"):
            await asyncio.sleep(0)
            with traced.tracer.span(f"in {name}", "internal"):
                await asyncio.sleep(0)

    await asyncio.gather(job("a"), job("b"))
    spans = traced.spans()
    traces = {name: span.trace for name, span in spans.items()}
    assert (traces["a"], traces["b"]) == (traces["in a"], traces["in b"])
    assert traces["a"] != traces["b"]
    assert (spans["a"].parent, spans["b"].parent) == (None, None)


def test_what_a_job_brings_goes_on_to_the_next_one(traced: "Traced") -> None:
    with traced.tracer.span("process q", "consumer", metadata(tracestate="a=1", baggage="b=2")):
        carried = json.loads(traced.tracer.metadata() or "")
    [span] = traced.spans().values()
    assert carried["traceparent"][:52] == f"00-{TRACE}-{span.id}"
    assert (carried["tracestate"], carried["baggage"]) == ("a=1", "b=2")


def test_a_trace_that_nobody_collects_goes_on_uncollected(traced: "Traced") -> None:
    with traced.tracer.span("process q", "consumer", metadata("00")) as job:
        with traced.tracer.span("GET", "client") as call:
            assert (job, call) == (NO_SPAN, NO_SPAN)
        carried = json.loads(traced.tracer.metadata() or "")["traceparent"]
    assert carried.startswith(f"00-{TRACE}-")
    assert carried.endswith("-00")
    assert traced.spans() == {}


def test_outside_of_a_job_nothing_is_traced(traced: "Traced") -> None:
    with traced.tracer.span("GET", "client") as call, traced.tracer.span("add", "producer") as add:
        assert (call, add, traced.tracer.metadata()) == (NO_SPAN, NO_SPAN, None)
    assert traced.spans() == {}


@pytest.mark.parametrize(
    "hostile",
    [
        *("", "{", "[]", "7", "null", "x" * 100_000, "[" * 10_000),
        *('{"traceparent": 7}', '{"traceparent": "00-zz"}', '{"baggage": "\\ud800=1"}'),
        json.dumps({"traceparent": f"00-{'0' * 32}-{PARENT}-01"}),
    ],
)
def test_metadata_that_names_no_trace_begins_one(traced: "Traced", hostile: str) -> None:
    with traced.tracer.span("process q", "consumer", hostile):
        assert json.loads(traced.tracer.metadata() or "")["traceparent"].startswith("00-")
    assert traced.spans()["process q"].parent is None


def test_nothing_in_a_span_opens_anything(traced: "Traced") -> None:
    long = "y" * 100_000
    with traced.tracer.span(f"process {KEY}", "consumer") as span:
        span.set({"a": f"key {KEY}", "b": [KEY, "https://u:p@x.y/z?sig=1"], "c": long, "n": 7})
        span.set({"odd": "\ud800"})
        span.event("job failed", {"reason": f"no, {KEY}"})
        span.fail(f"https://x.y/z?token=1 with {KEY}")
    [(name, made)] = traced.spans().items()
    attributes = made.attributes
    assert (name, attributes["a"], attributes["n"]) == ("process ***", "key ***", 7)
    assert attributes["b"] == ("***", "https://***@x.y/z?…")
    assert attributes["odd"] == "?"
    assert len(str(attributes["c"])) <= 500
    assert made.events == [{"reason": "no, ***"}]
    assert made.status == ("ERROR", "https://x.y/z?… with ***")


def test_an_exception_is_told_by_its_kind_alone(traced: "Traced") -> None:
    with (
        pytest.raises(asyncio.CancelledError),
        traced.tracer.span("process q", "consumer"),
        traced.tracer.span("GET", "client"),
    ):
        raise asyncio.CancelledError(KEY)
    for span in traced.spans().values():
        assert span.attributes["error.type"] == "CancelledError"
        assert (span.status[0], span.events) == ("ERROR", [])


@pytest.mark.parametrize("form", ["pretty", "json"])
def test_a_line_of_the_log_leads_to_its_trace(traced: "Traced", form: str) -> None:
    with worker_log(LOG_FORMAT=form) as stream:
        logger.configure(patcher=traced.tracer.mark)
        logger.info("outside")
        with traced.tracer.span("process q", "consumer", metadata()):
            logger.info("inside")
            logging.getLogger("a.library").warning("of a library")
        with traced.tracer.span("process q", "consumer", metadata("00")):
            logger.info("of a trace that nobody collects")
        logger.configure(patcher=lambda record: None)
    lines = stream.getvalue().splitlines()
    assert [TRACE in line for line in lines] == [False, True, True, False]
    if form == "json":
        assert json.loads(lines[1])["trace_id"] == TRACE
    else:
        assert lines[1].endswith(f"inside trace_id={TRACE}")


def test_libraries_find_no_tracer_in_the_process(traced: "Traced") -> None:
    from tests.support.sdk_spans import is_installed_for_the_process

    with traced.tracer.span("process q", "consumer"):
        assert not is_installed_for_the_process()
