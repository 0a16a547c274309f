"""The worker as a process: how it starts, refuses, stops and hands back."""

import signal
import sys
from pathlib import Path

import pytest

from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import PATIENCE_S, Process
from sandbox.providers.client import IMAGES
from sandbox.providers.models import Fault, Match
from sandbox.worker_process import ROOT, new_worker, start_worker
from tests.support.site import Site
from tests.support.stopwatch import Stopwatch


async def test_the_lines_people_grep_for(site: Site) -> None:
    worker = await site.worker(NODE_ENV="production")
    user = await create_user(site.vidfab.supabase)
    project = await create_project(site.vidfab.supabase, user, [Shot(1, "A door")])
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    await site.finished(job_id)
    await site.end_of(await site.app.add("no_such_job", {}, {"priority": 1}))
    assert await worker.stop() == 0
    log = worker.log.read_text("utf-8")
    for line in (
        "🚀 Starting VidFab BullMQ Worker...",
        "Environment: production",
        "✅ Worker started successfully",
        "Waiting for jobs...",
        f'🔥 Processing job: storyboard_generation {{"jobId": "{job_id}"',
        "⏳ Progress: 0% - 正在生成第 1 张分镜...",
        f'✅ Completed: storyboard_generation {{"jobId": "{job_id}"',
        "❌ Failed: no_such_job {",
        "🛑 Shutting down worker...",
        "✅ Worker stopped gracefully",
    ):
        assert line in log
    assert "Traceback" not in log
    assert site.vidfab.supabase.service_key not in log


async def test_wrong_settings_stop_the_start_with_a_line_each(tmp_path: Path) -> None:
    settings = {"QUEUE_CONCURRENCY": "many", "REDIS_URL": "https://secret.upstash.io"}
    worker = new_worker(settings, tmp_path)
    await worker.start()
    assert await worker.wait(PATIENCE_S) == 1
    lines = worker.log.read_text("utf-8").splitlines()
    assert len(lines) == 4
    assert all(line.startswith("❌ Worker startup failed: ") for line in lines)
    assert "QUEUE_CONCURRENCY: got 'many', wants a whole number from 1 to 1000" in lines[1]
    assert "secret.upstash.io" not in "".join(lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_worker_stops_at_once(site: Site, number: signal.Signals) -> None:
    worker = await site.worker()
    stop = Stopwatch(worker)
    worker.signal(number)
    code, took_s = await stop.end_of(worker)
    assert code == 0
    assert took_s < 4  # less than the grace: it waits for nothing


async def test_running_jobs_finish_within_the_grace(site: Site) -> None:
    await site.vidfab.providers.control.delay("/ark/*", 1)
    worker = await site.worker(SHUTDOWN_GRACE_S="60")
    user = await create_user(site.vidfab.supabase)
    project = await create_project(site.vidfab.supabase, user, [Shot(1, "A door")])
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    await site.wait_for_purchase()
    stop = Stopwatch(worker)
    worker.signal(signal.SIGTERM)
    code, took_s = await stop.end_of(worker)
    assert code == 0
    assert took_s < 10
    job = await site.app.job(job_id)
    assert job is not None
    assert job.state == "completed"


async def test_longer_jobs_are_handed_back_and_go_on_elsewhere(site: Site) -> None:
    """No attempt is burnt, what is stored is not bought again, and the exit is in time."""
    control = site.vidfab.providers.control
    await control.add(Fault(match=Match(path=IMAGES, body_contains="SHOT-2"), delay_s=60, times=1))
    worker = await site.worker(SHUTDOWN_GRACE_S="1", STORYBOARD_CONCURRENCY="1")
    user = await create_user(site.vidfab.supabase)
    shots = [Shot(1, "SHOT-1 a door"), Shot(2, "SHOT-2 a door")]
    project = await create_project(site.vidfab.supabase, user, shots)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    await site.app.wait_for(job_id, "active")
    await site.wait_for_purchase(2)

    stop = Stopwatch(worker)
    worker.signal(signal.SIGTERM)
    code, took_s = await stop.end_of(worker)
    assert code == 0
    assert took_s < 6
    job = await site.app.job(job_id)
    assert job is not None
    assert (job.state, job.attempts_made, job.stalled_counter) == ("prioritized", 0, 0)

    await site.worker()
    finished = await site.finished(job_id)
    assert (finished.state, finished.attempts_made) == ("completed", 1)
    asked = [one.body["prompt"] for one in await control.requests("/ark/*")]
    assert sum("SHOT-1" in prompt for prompt in asked) == 1
    assert sum("SHOT-2" in prompt for prompt in asked) == 2  # the one in flight at the signal


async def test_the_help_names_the_options(tmp_path: Path) -> None:
    helped = new_worker({}, tmp_path, "--help")
    await helped.start()
    assert await helped.wait(PATIENCE_S) == 0
    assert "--concurrency" in helped.log.read_text("utf-8")


async def test_options_beat_the_settings(site: Site) -> None:
    settings = site.vidfab.settings(site.queue, QUEUE_CONCURRENCY="2")
    worker = await start_worker(settings, site.folder, "--concurrency", "7")
    await worker.stop()
    assert "concurrency 7" in worker.log.read_text("utf-8")


async def test_options_before_the_command_count_too(tmp_path: Path) -> None:
    missing = tmp_path / "missing.env"
    command = [sys.executable, "worker.py", "--env-file", str(missing), "run"]
    worker = Process(command, tmp_path / "worker.log", cwd=ROOT)
    await worker.start()
    assert await worker.wait(PATIENCE_S) == 1
    assert f"{missing} is not a file" in worker.log.read_text("utf-8")
