"""A job's own log, as Node and Bull Board show it: what was asked of whom, and what came of it."""

import asyncio
import re
from collections.abc import Sequence

from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import PATIENCE_S
from sandbox.providers import keys
from sandbox.providers.client import IMAGES
from sandbox.providers.models import Operation
from tests.support.clips import SYNC, TASK, clip, lay_clips
from tests.support.recordings import PROJECT, USER
from tests.support.site import Site
from tests.support.story import untimed

BUSY = {"error": {"code": "ServerOverloaded", "message": f"Busy, says {keys.BYTEPLUS}"}}


async def log_of(site: Site, job_id: str) -> Sequence[str]:
    """By Node's `getJobLogs`."""
    job = await site.app.job(job_id, logs=True)
    assert job is not None
    return job.logs


def shapes(lines: Sequence[str]) -> list[str]:
    """Without times and the name of the worker."""
    return [re.sub(r" (at \S+ on \S+|after \d+\.\d s)", "", line) for line in untimed(lines)]


async def storyboards(site: Site) -> str:
    supabase = site.vidfab.supabase
    shots = [Shot(number, f"SHOT-{number} a red door") for number in (1, 2, 3)]
    project = await create_project(supabase, await create_user(supabase), shots)
    return await enqueue_storyboards(site.app, supabase, project, backoff_ms=100)


async def test_a_storyboard_tells_its_attempts_and_its_purchases(site: Site) -> None:
    control = site.vidfab.providers.control
    await control.fail(IMAGES, status=503, body=BUSY, times=1, body_contains="SHOT-2")
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0")
    job_id = await storyboards(site)
    assert (await site.finished(job_id)).attempts_made == 2

    lines = await log_of(site, job_id)
    assert keys.BYTEPLUS not in "".join(lines)
    told = shapes(lines)
    end = next(at for at, line in enumerate(told) if "is tried again" in line)
    assert told[0] == "Attempt 1 of 3 began"
    assert sorted(told[1:end]) == [
        "Seedream, picture for shot 1: made",
        'Seedream, picture for shot 2: status 503, "Busy, says ***"',
        "Seedream, picture for shot 3: made",
    ]
    assert told[end].startswith("Attempt 1 of 3 failed and is tried again: ")
    assert told[end + 1 :] == [
        "Attempt 2 of 3 began",
        "Seedream, picture for shot 2: made",
        "Attempt 2 of 3 completed",
    ]


async def sync(site: Site) -> None:
    """As the app's, but that a later attempt leaves time to read the log of the first."""
    data = {"jobId": SYNC, "userId": USER, "videoId": PROJECT, "projectId": PROJECT}
    options = {"jobId": SYNC, "attempts": 3, "backoff": {"type": "fixed", "delay": 600_000}}
    await site.app.add("va_sync_video_status", data, options)


async def test_a_sync_that_failed_tells_what_each_provider_said(site: Site) -> None:
    control = site.vidfab.providers.control
    await lay_clips(site.vidfab, clip(1), clip(2, seedance_task_id=None, video_request_id="p2"))
    await control.fail(TASK.format("t1"), status=503, body=BUSY)
    await control.fail("/wavespeed/*", status=401, body={"code": 401, "message": "Not you"})
    await site.worker(**site.vidfab.providers.environment)
    await sync(site)
    await site.app.wait_for(SYNC, "delayed")

    lines = await log_of(site, SYNC)
    assert keys.BYTEPLUS not in "".join(lines)
    began, *told, again, end = shapes(lines)
    assert began == "Attempt 1 of 3 began"
    assert sorted(told) == [
        'Seedance, clip for shot 1: status 503, "Busy, says ***"',
        'Wavespeed, clip for shot 2: status 401, "Not you"',
    ]
    assert again == 'Seedance, clip for shot 1: status 503, "Busy, says ***", 2 times more'
    assert end.startswith("Attempt 1 of 3 failed and is tried again: No clip could be polled: ")


async def test_a_sync_that_goes_on_tells_what_it_found_so_far(site: Site) -> None:
    """At its end it is removed, and its log with it."""
    control = site.vidfab.providers.control
    await lay_clips(site.vidfab, clip(1), clip(2, seedance_task_id=None, video_request_id="p2"))
    await control.register("tasks", "t1", Operation(after_s=600))
    await control.delay("/wavespeed/*", 600)
    await site.worker(**site.vidfab.providers.environment, SHUTDOWN_GRACE_S="0")
    await sync(site)
    lines: Sequence[str] = ()
    async with asyncio.timeout(PATIENCE_S):
        while len(lines) < 2:
            await asyncio.sleep(0.1)
            lines = await log_of(site, SYNC)
    assert shapes(lines) == ["Attempt 1 of 3 began", "Seedance, clip for shot 1: running"]
