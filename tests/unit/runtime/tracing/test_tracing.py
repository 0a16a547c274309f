"""When traces are sent, and what keeps them from it."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from bullmq_consumer.telemetry.tracer import NO_TRACER
from commands.checks.machine import check_traces
from config import tracing as wanted
from core import tracing
from runtime.tracing.tracing import traced
from sandbox.worker_process import ROOT
from tests.support.collector import PATH, collecting
from tests.support.logs import settings_of
from tests.support.otel import importable

URL = "http://127.0.0.1:9"


@pytest.fixture
def sdk() -> Iterator[None]:
    with importable():
        yield


# Imports all that a worker has.
_ALL = """
import pkgutil, sys
import commands.check, commands.start, runtime.app, services
from core.jobs.registry import discover
discover()
for found in pkgutil.walk_packages(services.__path__, "services."):
    __import__(found.name)
assert "runtime.tracing.tracing" in sys.modules
print(*(name for name in sys.modules if name.partition(".")[0] in ("opentelemetry", "requests")))
"""


def test_nothing_but_the_sending_of_traces_needs_it() -> None:
    command = [sys.executable, "-c", _ALL]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "OTEL_EXPORTER_OTLP_ENDPOINT is not set"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_SDK_DISABLED": "true"},
            "OTEL_SDK_DISABLED is set",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_TRACES_EXPORTER": "none"},
            "OTEL_TRACES_EXPORTER=none",
        ),
    ],
)
async def test_none_are_made_unless_they_are_wanted(
    variables: dict[str, str], said: str, lines: list[str]
) -> None:
    async with traced(settings_of(**variables)) as tracer:
        assert (tracer, tracing.tracer()) == (NO_TRACER, NO_TRACER)
    assert lines == []
    [found] = await check_traces(settings_of(**variables))
    assert (found.mark, found.text) == ("ok", f"{said}: no traces")


async def test_a_missing_package_is_said_once_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    monkeypatch.setattr(wanted, "_PACKAGE", "opentelemetry.not.installed")
    settings = settings_of(OTEL_EXPORTER_OTLP_ENDPOINT=URL)
    async with traced(settings) as tracer:
        assert tracer is NO_TRACER
    assert lines == [
        "WARNING No traces: OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not "
        "installed; install the extra otel: pip install --no-deps -r requirements/otel.txt"
    ]
    [found] = await check_traces(settings)
    assert (found.mark, found.text) == (
        "warning",
        "No traces: OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed",
    )


async def test_a_protocol_that_is_not_spoken_is_said(lines: list[str]) -> None:
    settings = settings_of(OTEL_EXPORTER_OTLP_ENDPOINT=URL, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    async with traced(settings) as tracer:
        assert tracer is NO_TRACER
    assert [line[: line.index(";")] for line in lines] == [
        "WARNING No traces: OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not spoken here"
    ]


async def test_an_address_that_is_none_is_said_and_stops_nothing(lines: list[str]) -> None:
    settings = settings_of(OTEL_EXPORTER_OTLP_ENDPOINT="grpc://collector:4317")
    async with traced(settings) as tracer:
        assert tracer is NO_TRACER
    assert lines == [
        "WARNING No traces: OTEL_EXPORTER_OTLP_ENDPOINT: got 'grpc://…', wants an http(s) address "
        "(not an http(s) address)"
    ]


async def test_variables_that_the_sdk_refuses_stop_nothing(
    monkeypatch: pytest.MonkeyPatch, lines: list[str], sdk: None
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    async with traced(settings_of(OTEL_EXPORTER_OTLP_ENDPOINT=URL)) as tracer:
        assert tracer is NO_TRACER
    assert lines == ["WARNING No traces: ValueError: max_queue_size must be a positive integer."]


async def test_spans_arrive_with_the_headers_and_the_name_that_are_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "storyboards")
    async with collecting() as collector:
        settings = settings_of(
            OTEL_EXPORTER_OTLP_ENDPOINT=f"{collector.url}/",
            OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20otlp-key-1,x-team=films",
            NODE_ENV="staging",
        )
        async with traced(settings) as tracer:
            assert tracing.tracer() is tracer
            with tracer.span("process q", "consumer") as span:
                span.set({"a": "told otlp-key-1"})
        assert tracing.tracer() is NO_TRACER
        [request], [seen] = collector.server.to(PATH), collector.spans
    assert request.headers["authorization"] == "Bearer otlp-key-1"
    assert request.headers["x-team"] == "films"
    assert (seen.name, seen.attributes) == ("process q", {"a": "told ***"})
    assert seen.resource["service.name"] == "storyboards"
    assert seen.resource["deployment.environment.name"] == "staging"
