"""Traces: from Node's `queue.add` through a job, its purchases and rows, to the jobs it adds."""

import json
import signal
from collections.abc import AsyncIterator, Iterable
from functools import partial
from pathlib import Path

import pytest

from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.producer import NodeApp, Package
from sandbox.vidfab import VidFab
from sandbox.worker_process import start_worker
from tests.support import leaks
from tests.support.collector import PATH, Collector, Seen, collecting
from tests.support.otel import FOLDER
from tests.support.server import response
from tests.support.site import Site, Start
from tests.support.stopwatch import Stopwatch


@pytest.fixture
def start() -> Start:
    """With the extra."""
    return partial(start_worker, packages=FOLDER)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as collector:
        yield collector


@pytest.fixture(params=["bullmq", "bullmq-5-81", "bullmq-6"])
async def traced_site(
    request: pytest.FixtureRequest, vidfab: VidFab, tmp_path: Path, start: Start
) -> AsyncIterator[Site]:
    """The app with `bullmq-otel`."""
    package: Package = request.param
    async with (
        NodeApp(vidfab.redis.url, "q-of-no-test", package, traced=True) as app,
        Site(vidfab, tmp_path, start=start, app=app) as site,
    ):
        yield site
        assert await leaks.left_by(site) == []


async def storyboards(site: Site) -> str:
    """The id of a job for one picture."""
    supabase = site.vidfab.supabase
    user = await create_user(supabase)
    project = await create_project(supabase, user, [Shot(1, "A door")])
    return await enqueue_storyboards(site.app, supabase, project)


def named(spans: Iterable[Seen], name: str) -> Seen:
    [found] = [span for span in spans if span.name == name]
    return found


def of_job(spans: Iterable[Seen], job_id: str) -> Seen:
    [found] = [span for span in spans if span.attributes.get("bullmq.job.id") == job_id]
    return found


def below(spans: list[Seen], top: Seen) -> list[Seen]:
    """All parts of a span."""
    parts = [span for span in spans if span.parent == top.id]
    return [*parts, *(one for part in parts for one in below(spans, part))]


async def test_one_trace_runs_from_nodes_add_to_the_follow_up(
    traced_site: Site, collector: Collector
) -> None:
    site, control = traced_site, traced_site.vidfab.providers.control
    worker = await site.worker(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    job_id = await storyboards(site)
    await site.finished(job_id)
    [follow_up] = {event.job_id for event in site.app.events if event.job_id} - {job_id}
    assert follow_up is not None
    await site.end_of(follow_up)
    assert await worker.stop() == 0

    queue, spans = site.queue, collector.spans
    [added] = [one for one in await site.app.spans() if one["name"].startswith(f"add {queue}")]
    assert added["attributes"]["bullmq.job.id"] == job_id
    job, next_job = of_job(spans, job_id), of_job(spans, follow_up)
    assert {span.trace for span in spans} == {added["traceId"]}
    assert (job.name, job.kind, job.parent) == (f"process {queue}", "CONSUMER", added["spanId"])
    assert job.attributes["bullmq.queue.name"] == queue
    assert job.attributes["bullmq.job.name"] == "storyboard_generation"
    assert job.attributes["bullmq.job.attempts.made"] == 1
    assert (job.attributes["bullmq.job.outcome"], job.events) == ("completed", ["job completed"])
    assert job.resource["service.name"] == "vidfab-worker"

    parts = below(spans, job)
    purchase, call = named(parts, "purchase picture"), named(parts, "POST Seedream")
    assert purchase.attributes["vidfab.purchase.result"] == "delivered"
    assert (call.parent, call.kind) == (purchase.id, "CLIENT")
    assert call.attributes["http.response.status_code"] == 200
    assert call.attributes["url.full"].endswith("/images/generations")
    rows = [part for part in parts if part.attributes.get("peer.service") == "Supabase"]
    assert {"GET Supabase", "PATCH Supabase"} <= {row.name for row in rows}

    adding = named(parts, f"addBulk {queue}")
    assert (adding.kind, next_job.parent) == ("PRODUCER", adding.id)
    assert adding.attributes["bullmq.job.bulk.names"] == ["storyboard_download"]
    stored = {part.attributes.get("peer.service") for part in below(spans, next_job)}
    assert stored >= {"Supabase", "Supabase storage"}

    # Lines of the log lead there.
    await site.wait_for_line(worker, "✅ Completed: storyboard_generation")
    log = worker.log.read_text("utf-8").splitlines()
    [completed] = [line for line in log if "✅ Completed: storyboard_generation" in line]
    assert completed.endswith(f" trace_id={job.trace}")
    assert [line for line in log if "Waiting for jobs" in line and "trace_id" in line] == []

    # No vendor hears of the trace, and no span holds what opens something.
    assert not any("traceparent" in one.headers for one in await control.requests())
    said = json.dumps([[span.name, span.attributes] for span in spans])
    assert leaks.found(leaks.planted(site.vidfab), {"spans": said}) == []
    assert "?" not in said


async def test_node_reads_what_a_follow_up_carries(site: Site, collector: Collector) -> None:
    """Node's worker would go on with the trace, which begins here for a job that brings none."""
    await site.vidfab.providers.control.delay("/media/*", 5)
    worker = await site.worker(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, QUEUE_CONCURRENCY="1", SHUTDOWN_GRACE_S="0"
    )
    job_id = await storyboards(site)
    await site.finished(job_id)
    [follow_up] = {event.job_id for event in site.app.events if event.job_id} - {job_id}
    assert follow_up is not None
    found = await site.app.job(follow_up)
    assert found is not None
    await worker.stop()
    job, adding = of_job(collector.spans, job_id), named(collector.spans, f"addBulk {site.queue}")
    assert job.parent == ""
    carried = json.loads(found.opts["telemetry"]["metadata"])
    assert carried["traceparent"].startswith(f"00-{job.trace}-{adding.id}-")


async def test_a_retry_is_a_span_of_its_own_that_failed(
    traced_site: Site, collector: Collector
) -> None:
    control = traced_site.vidfab.providers.control
    await control.fail("/ark/*", status=503, times=1)
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "BYTEPLUS_IMAGE_MAX_RETRIES": "0"}
    worker = await traced_site.worker(**settings)
    supabase = traced_site.vidfab.supabase
    project = await create_project(supabase, await create_user(supabase), [Shot(1, "A door")])
    job_id = await enqueue_storyboards(traced_site.app, supabase, project, backoff_ms=100)
    await traced_site.finished(job_id)
    assert await worker.stop() == 0

    first, second = (
        span for span in collector.spans if span.attributes.get("bullmq.job.id") == job_id
    )
    assert (first.trace, first.parent) == (second.trace, second.parent)
    assert (first.attributes["bullmq.job.outcome"], first.is_error) == ("retried", True)
    assert (first.events, second.events) == (["job failed"], ["job completed"])
    parts = below(collector.spans, first)
    call, purchase = named(parts, "POST Seedream"), named(parts, "purchase picture")
    assert (call.attributes["error.type"], call.is_error) == ("503", True)
    assert (purchase.attributes["vidfab.purchase.result"], purchase.is_error) == ("none", True)


@pytest.mark.parametrize("is_mute", [True, False])
async def test_a_dead_collector_costs_no_job_anything(
    site: Site, collector: Collector, is_mute: bool
) -> None:
    collector.server.on(PATH, collector.server.hang if is_mute else response(b"", status="404 No"))
    worker = await site.worker(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
        OTEL_BSP_SCHEDULE_DELAY="50",
    )
    job = await site.finished(await storyboards(site))
    assert (job.state, job.attempts_made) == ("completed", 1)
    line = "Traces do not reach the collector, and are dropped (see OTEL_EXPORTER_OTLP_ENDPOINT)"
    await site.wait_for_line(worker, line)
    await site.finished(await storyboards(site))

    stop = Stopwatch(worker)
    worker.signal(signal.SIGTERM)
    code, took_s = await stop.end_of(worker)
    assert (code, took_s < 5) == (0, True)
    log = worker.log.read_text("utf-8")
    assert log.count(line) == 1
    assert "Traceback" not in log
    assert "opentelemetry" not in log


async def test_a_worker_without_the_extra_says_so_and_works(
    vidfab: VidFab, tmp_path: Path, collector: Collector
) -> None:
    async with Site(vidfab, tmp_path, start=start_worker) as site:
        worker = await site.worker(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        assert (await site.finished(await storyboards(site))).state == "completed"
        assert await worker.stop() == 0
    log = worker.log.read_text("utf-8")
    assert log.count("No traces: OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not") == 1
    assert "Traceback" not in log
    assert collector.server.to(PATH) == []


async def test_a_worker_with_an_address_that_is_none_says_so_and_works(site: Site) -> None:
    worker = await site.worker(OTEL_EXPORTER_OTLP_ENDPOINT="grpc://collector:4317")
    assert (await site.finished(await storyboards(site))).state == "completed"
    assert await worker.stop() == 0
    log = worker.log.read_text("utf-8")
    assert (
        log.count("No traces: OTEL_EXPORTER_OTLP_ENDPOINT: got 'grpc://…', wants an http(s)") == 1
    )
