"""The worker under the real PM2, by the `ecosystem.config.js` that is deployed."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, closing, suppress
from datetime import timedelta
from pathlib import Path

import httpx
import psutil
import pytest

from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import LOOPBACK, PATIENCE_S, free_port
from sandbox.redis import RedisServer
from sandbox.vidfab import VidFab
from sandbox.worker_process import READY
from tests.support import compositions
from tests.support.pm2 import APP, Pm2, runs
from tests.support.site import Site

JOBS = 6  # two workers' worth, so that a third worker finds room for what the others hand back

UNHEARD = timedelta(seconds=2 * PATIENCE_S)  # no command may last so long


@pytest.fixture
async def pm2(site: Site, tmp_path: Path) -> AsyncIterator[Pm2]:
    settings = {"SHUTDOWN_GRACE_S": "1", "HEALTH_PORT": str(_ports(3))}
    async with Pm2(site.vidfab.settings(site.queue, **settings), tmp_path, UNHEARD) as pm2:
        yield pm2


def _ports(count: int) -> int:
    """The first of so many free ports in a row."""
    while True:
        first = free_port()
        try:
            with ExitStack() as stack:
                for port in range(first, first + count):
                    probe = stack.enter_context(closing(socket.socket()))
                    probe.bind((LOOPBACK, port))
        except OSError:
            continue
        return first


async def _ready(first_port: int) -> list[str]:
    """Which workers say on their own ports that they are ready."""
    async with httpx.AsyncClient() as client:
        asked = [f"http://{LOOPBACK}:{first_port + number}" for number in range(3)]
        ready = [(await client.get(f"{one}/readyz")).json()["status"] == "ready" for one in asked]
        assert all(ready)
        return [(await client.get(f"{one}/stats")).json()["worker"]["id"] for one in asked]


async def _enqueue(site: Site, jobs: int) -> list[str]:
    supabase = site.vidfab.supabase
    user = await create_user(supabase)
    ids: list[str] = []
    for _ in range(jobs):
        project = await create_project(supabase, user, [Shot(1, "A door")])
        ids.append(await enqueue_storyboards(site.app, supabase, project))
    return ids


async def _until(holds: Callable[[], bool]) -> None:
    """For what sends no event: log files and the process table."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _encoders(pid: int) -> list[psutil.Process]:
    """The children of the process that make a video."""
    with suppress(psutil.NoSuchProcess):
        return [one for one in psutil.Process(pid).children() if "libx264" in one.cmdline()]
    return []


async def _untouched(site: Site, job_ids: list[str]) -> bool:
    """No attempt is burnt and none has stalled."""
    jobs = [await site.app.job(job_id) for job_id in job_ids]
    return all(job and (job.attempts_made, job.stalled_counter) == (0, 0) for job in jobs)


async def test_jobs_survive_start_scale_reload_stop_and_delete(site: Site, pm2: Pm2) -> None:
    await site.vidfab.providers.control.delay("/ark/*", 600)
    job_ids = await _enqueue(site, JOBS)

    await pm2.start()  # goes on at the word of the worker, long before its `listen_timeout`
    [first] = await pm2.workers()
    assert first.status == "online"
    assert READY in first.log.read_text("utf-8")

    await pm2.run("scale", APP, "3")
    for job_id in job_ids:
        await site.app.wait_for(job_id, "active")
    before = await pm2.workers()
    assert [one.status for one in before] == ["online"] * 3
    ids = await _ready(pm2.health_port)
    assert [int(one.rpartition("-")[2]) for one in ids] == [one.pid for one in before]

    await pm2.run("reload", APP)
    for job_id in job_ids:
        await site.app.wait_for(job_id, "active", count=2)
    after = await pm2.workers()
    assert [one.status for one in after] == ["online"] * 3
    assert {one.pid for one in after}.isdisjoint(one.pid for one in before)
    assert await _untouched(site, job_ids)

    await pm2.run("stop", APP)
    counts = await site.app.counts()
    assert (counts["active"], counts["prioritized"], counts["failed"]) == (0, JOBS, 0)
    assert await _untouched(site, job_ids)
    await pm2.run("delete", APP)
    assert await pm2.workers() == []
    assert pm2.exit_codes() == [0] * 6
    assert not pm2.was_killed()

    await site.vidfab.providers.control.delay("/ark/*", 0)
    await site.worker()
    for job_id in job_ids:
        job = await site.finished(job_id)
        assert (job.state, job.attempts_made) == ("completed", 1)


async def test_kill_hands_back_and_leaves_no_process(site: Site, pm2: Pm2) -> None:
    await site.vidfab.providers.control.delay("/ark/*", 600)
    await pm2.start()
    [job_id] = await _enqueue(site, 1)
    await site.app.wait_for(job_id, "active")
    [worker] = await pm2.workers()
    assert worker.pid in {process.pid for process in pm2.left()}

    await pm2.run("kill")
    assert not psutil.pid_exists(worker.pid)
    await _until(lambda: pm2.left() == [])  # the daemon answers before it ends
    job = await site.app.job(job_id)
    assert job
    assert (job.state, job.attempts_made, job.stalled_counter) == ("prioritized", 0, 0)


async def test_a_stop_while_ffmpeg_runs_burns_no_attempt(site: Site, pm2: Pm2) -> None:
    """PM2 signals ffmpeg too; died of that, it would look like a failure of the job."""
    media = site.vidfab.providers
    await compositions.make_video(media.media_folder / "long.mp4", "1280x720", 24, 20)
    clips = [compositions.clip(1, f"{media.media_url}/long.mp4")]
    await compositions.lay_project(site.vidfab, [20], clips)
    await pm2.start()
    [worker] = await pm2.workers()
    await site.app.add("va_compose_video", compositions.payload(), compositions.options())
    await _until(lambda: _encoders(worker.pid) != [])
    [encoder] = _encoders(worker.pid)

    await pm2.run("stop", APP)
    job = await site.app.job(compositions.JOB)
    assert job
    assert (job.state, job.attempts_made, job.failed_reason) == ("prioritized", 0, None)
    assert not runs(encoder)


async def test_a_redis_that_comes_late_is_waited_for(vidfab: VidFab, tmp_path: Path) -> None:
    redis = RedisServer()
    settings = {**vidfab.settings("q"), "BULLMQ_REDIS_URL": redis.url}
    try:
        async with Pm2(settings, tmp_path, listen_timeout=timedelta(seconds=2)) as pm2:
            await pm2.start()  # goes on without the word of the worker
            [worker] = await pm2.workers()
            await _until(lambda: "Waiting for it" in worker.log.read_text("utf-8"))
            await redis.start()
            await _until(lambda: READY in worker.log.read_text("utf-8"))
            [worker] = await pm2.workers()
            assert worker.status in ("launching", "online")
    finally:
        await redis.close()


async def test_a_reload_buys_no_picture_twice(site: Site, tmp_path: Path) -> None:
    """By the grace that is deployed: most pictures take 12 to 15 s."""
    control = site.vidfab.providers.control
    await control.delay("/ark/*", 12)
    async with Pm2(site.vidfab.settings(site.queue), tmp_path) as pm2:
        await pm2.start()
        [job_id] = await _enqueue(site, 1)
        await site.wait_for_purchase()
        await pm2.run("reload", APP)
        job = await site.finished(job_id)
        assert not pm2.was_killed()
    assert (job.state, job.attempts_made) == ("completed", 1)
    assert (await control.paid()).images == 1
