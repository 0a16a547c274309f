"""What the machine lacks is not the job's failure: it goes back, and its worker takes no more."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import LOOPBACK, PATIENCE_S, Process, free_port
from sandbox.providers import keys
from sandbox.providers.drawing.clips import Clip, make_clip
from tests.support.kernel import on_linux
from tests.support.machine import fill, seen_by, start_on_disk, without_descriptors
from tests.support.mp4 import padded
from tests.support.recordings import USER
from tests.support.site import Ended, Site
from tests.support.stopwatch import Stopwatch

pytestmark = on_linux

MIB = 1024 * 1024
JOBS = 12


@pytest.fixture(autouse=True)
async def video(site: Site, tmp_path: Path) -> None:
    small = await make_clip(Clip(seconds=2), tmp_path / "small.mp4")
    padded(small, site.vidfab.providers.media_folder / "large.mp4", 12 * MIB)


async def _add(site: Site, number: int) -> str:
    url = f"{site.vidfab.providers.media_url}/large.mp4"
    data = {"userId": USER, "videoId": f"temp-{number}", "originalUrl": url}
    return await site.app.add("download_video", data, {"priority": 3, "attempts": 3})


@asynccontextmanager
async def _asking(port: int) -> AsyncIterator[httpx.AsyncClient]:
    """Over one connection, opened while that can be done."""
    async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", timeout=20) as client:
        assert (await client.get("/readyz")).status_code == 200
        yield client


async def _until_ready(
    client: httpx.AsyncClient, status: int, worker: Process, within_s: float
) -> dict[str, Any]:
    watch = Stopwatch(worker)
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await client.get("/readyz")).status_code != status:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert watch.seconds() < within_s
    return answer.json()


async def _ended(site: Site, job_id: str, worker: Process, within_s: float = 60) -> Ended:
    watch = Stopwatch(worker)
    ended = await site.ended(job_id)
    assert watch.seconds() < within_s
    return ended


async def _refused(
    site: Site, client: httpx.AsyncClient, job_id: str, worker: Process, lack: str
) -> None:
    """The job goes back whole, and the worker says what its machine lacks."""
    await site.app.wait_for(job_id, "delayed")
    answer = await _until_ready(client, 503, worker, 10)
    assert (answer["status"], lack in answer["reason"]) == ("unfit", True), answer
    assert (await client.get("/livez")).status_code == 200
    job = await site.app.job(job_id)
    assert job
    assert (job.state, job.attempts_made, job.failed_reason) == ("delayed", 0, None)


def _is_done_at_once(ended: Ended) -> bool:
    return ended.state == "completed" and ended.returnvalue["retryCount"] == 0


def _check(ended: Ended, worker: Process, lack: str) -> None:
    assert _is_done_at_once(ended)
    log = worker.log.read_text("utf-8")
    assert lack in log
    assert "Traceback" not in log


async def test_a_worker_with_a_full_disk_leaves_the_jobs_to_another(
    site: Site, tmp_path: Path
) -> None:
    sick = await start_on_disk(site, tmp_path / "disk", size_mib=9)
    try:
        first = [await _add(site, number) for number in range(3)]
        for job_id in first:
            await site.app.wait_for(job_id, "delayed")
        healthy = await site.worker()
        job_ids = first + [await _add(site, number) for number in range(3, JOBS)]
        ends = [await _ended(site, job_id, healthy, 90) for job_id in job_ids]
    finally:
        await sick.stop()

    assert all(map(_is_done_at_once, ends))
    log = sick.log.read_text("utf-8")
    assert "Errno" not in log
    taken, pauses = log.count("Processing job"), log.count("Next look in")
    assert 3 <= taken <= 3 * pauses, "it pauses after those that it has at a time"


async def test_a_disk_that_is_full_and_emptied_again(site: Site, tmp_path: Path) -> None:
    disk, port = tmp_path / "disk", free_port()
    worker = await start_on_disk(
        site, disk, size_mib=40, filler_mib=35, HEALTH_PORT=str(port), QUEUE_CONCURRENCY="1"
    )
    try:
        async with _asking(port) as client:
            job_ids = [await _add(site, number) for number in range(2)]
            await _refused(site, client, job_ids[0], worker, "work disk is full")
            seen_by(worker, disk / "filler").unlink()
            await _until_ready(client, 200, worker, 60)
        for job_id in job_ids:
            _check(await _ended(site, job_id, worker), worker, "work disk is full")
        assert worker.log.read_text("utf-8").count("Handed back") == 1
    finally:
        await worker.stop()


async def test_a_picture_that_was_paid_for_waits_for_room(site: Site, tmp_path: Path) -> None:
    """Gemini gives bytes, which are nowhere else: given up they would be bought again."""
    disk, supabase = tmp_path / "disk", site.vidfab.supabase
    gemini = {"IMAGE_PROVIDER": "gemini", "GOOGLE_AI_API_KEY": keys.GOOGLE}
    worker = await start_on_disk(site, disk, size_mib=4, **gemini)
    filler = seen_by(worker, disk / "filler")
    fill(filler)
    try:
        project = await create_project(supabase, await create_user(supabase), [Shot(1, "A door")])
        job_id = await enqueue_storyboards(site.app, supabase, project)
        await site.wait_for_line(worker, "A picture waits for storage")
        filler.unlink()
        job = await site.finished(job_id)
    finally:
        await worker.stop()
    assert (job.state, job.attempts_made) == ("completed", 1)
    assert (await site.vidfab.providers.control.paid()).images == 1


async def test_a_work_folder_that_is_gone_and_back_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp, port = tmp_path / "temp", free_port()
    temp.mkdir()
    monkeypatch.setenv("TMPDIR", str(temp))  # the worker inherits it
    worker = await site.worker(HEALTH_PORT=str(port))
    async with _asking(port) as client:
        shutil.rmtree(temp)
        job_id = await _add(site, 1)
        await _refused(site, client, job_id, worker, "no work folder")
        temp.mkdir()
        await _until_ready(client, 200, worker, 60)
    _check(await _ended(site, job_id, worker), worker, "no work folder")


async def test_descriptors_that_run_out_and_are_there_again(site: Site) -> None:
    port = free_port()
    worker = await site.worker(HEALTH_PORT=str(port))
    # What jobs need is loaded in the background: files, too.
    await site.end_of(await site.app.add("no_such_job", {}, {"priority": 3}))
    async with _asking(port) as client:
        with without_descriptors(worker):
            job_id = await _add(site, 1)
            await _refused(site, client, job_id, worker, "open files")
        await _until_ready(client, 200, worker, 60)
    _check(await _ended(site, job_id, worker), worker, "open files")
