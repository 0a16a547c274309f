"""A worker's endpoints, from its start to its end."""

import asyncio
import re
import signal
import sys
from pathlib import Path

import httpx

from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import LOOPBACK, PATIENCE_S, Process, free_port, logged
from sandbox.worker_process import READY, ROOT, new_worker
from tests.support.metrics import value
from tests.support.site import Site
from tests.support.stopwatch import Stopwatch

SLOW_S = 8


async def storyboards(site: Site) -> str:
    """The id of a job for one picture."""
    user = await create_user(site.vidfab.supabase)
    project = await create_project(site.vidfab.supabase, user, [Shot(1, "A door")])
    return await enqueue_storyboards(site.app, site.vidfab.supabase, project)


async def test_a_worker_is_watched_until_it_has_ended(site: Site) -> None:
    control = site.vidfab.providers.control
    port = free_port()
    on = {"HEALTH_PORT": str(port), "HEALTH_TOKEN": "operators"}
    worker = await site.worker(SHUTDOWN_GRACE_S="60", **on)
    headers = {"authorization": "Bearer operators"}
    base_url = f"http://{LOOPBACK}:{port}"
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=PATIENCE_S) as client:
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        await control.delay("/ark/*", 0.5)
        await site.finished(await storyboards(site))
        await site.end_of(await site.app.add("no_such_job", {}, {"priority": 4}))
        check_counts((await client.get("/metrics")).text, site.queue)

        await check_taken_port(site, port)
        await control.delay("/ark/*", SLOW_S)
        job_id = await storyboards(site)
        await site.wait_for_purchase(2)
        stats = (await client.get("/stats")).json()["worker"]
        assert (stats["failedTotal"], stats["processedTotal"]) in {(1, 2), (1, 3)}
        [running] = [job for job in stats["jobs"] if job["jobId"] == job_id]
        assert running["name"] == "storyboard_generation"
        assert (await client.get(f"/jobs/{job_id}")).json()["state"] == "active"

        stop = Stopwatch(worker)
        worker.signal(signal.SIGTERM)
        while (answer := await client.get("/readyz")).status_code == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert stop.seconds() < 1
        assert answer.json()["status"] == "stopping"
        assert (await client.get("/livez")).status_code == 200
        assert value((await client.get("/metrics")).text, "vidfab_worker_stopping") == 1
        code, took_s = await stop.end_of(worker)
        assert code == 0
        assert took_s < SLOW_S + 5  # the open connection holds up nothing
    assert (await site.finished(job_id)).state == "completed"
    log = worker.log.read_text("utf-8")
    assert f"Endpoints: http://{LOOPBACK}:{port}/" in log
    assert "Traceback" not in log


def check_counts(text: str, queue: str) -> None:
    """After one picture that took half a second, and a job that failed."""
    name = {"name": "storyboard_generation"}
    assert value(text, "vidfab_worker_job_wait_seconds_count", **name) == 1
    paid = {"service": "Seedream", "kind": "picture", "result": "delivered"}
    assert value(text, "vidfab_worker_paid_calls_total", **paid) == 1
    asked = {"service": "Seedream", "operation": "write", "outcome": "2xx"}
    request = "vidfab_worker_service_request_duration_seconds"
    assert value(text, f"{request}_count", **asked) == 1
    assert (value(text, f"{request}_sum", **asked) or 0) >= 0.5
    sent = {"service": "Seedream", "direction": "sent"}
    assert (value(text, "vidfab_worker_service_bytes_total", **sent) or 0) > 100
    assert value(text, "bullmq_job_failed_total", queue=queue) == 1


async def check_taken_port(site: Site, port: int) -> None:
    """A second worker does not start beside the first, and says why."""
    second = new_worker(site.vidfab.settings(site.queue, HEALTH_PORT=str(port)), site.folder)
    await second.start()
    assert await second.wait(PATIENCE_S) == 1
    [said] = [line for line in second.log.read_text("utf-8").splitlines() if "❌" in line]
    assert f"HEALTH_PORT: cannot listen on {LOOPBACK}:{port} (Address already in use)" in said


# By redis-py; where it finds them, they import more.
_LOOKED_FOR = {
    *("opentelemetry", "opentelemetry.metrics", "opentelemetry.sdk", "opentelemetry.sdk.metrics"),
}


async def test_a_worker_that_nobody_watches_loads_nothing_for_it(
    site: Site, tmp_path: Path
) -> None:
    settings = tmp_path / "worker.env"
    lines = site.vidfab.settings(site.queue).items()
    settings.write_text("".join(f'{name}="{text}"\n' for name, text in lines), "utf-8")
    command = [sys.executable, "-X", "importtime", "worker.py", "--env-file", settings]
    worker = Process(command, tmp_path / "worker.log", cwd=ROOT)
    await worker.start(logged(worker.log, READY))
    await site.end_of(await site.app.add("no_such_job", {}, {"priority": 1}))
    assert await worker.stop() == 0
    # Nested imports are indented.
    imported = set(re.findall(r"\| +(\S+)$", worker.log.read_text("utf-8"), re.M))
    assert "runtime.http.listening" in imported
    assert not imported & {"starlette", "uvicorn", "prometheus_client", "runtime.http.endpoints"}
    assert "runtime.tracing.tracing" in imported
    assert {name for name in imported if name.startswith("opentelemetry")} <= _LOOKED_FOR
    assert not {name for name in imported if name.startswith("google.protobuf")}
    assert not imported & {"requests", "runtime.tracing.sdk", "runtime.tracing.exporter"}
