"""What was bought is kept, whatever happens to the job that bought it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from sandbox.app import Project, Shot, create_project, create_user, enqueue_storyboards
from sandbox.gateway import Gateway
from sandbox.processes import PATIENCE_S
from sandbox.providers.client import IMAGES
from tests.support.site import Site

PATCH_ROWS = "PATCH /rest/v1/project_storyboards"
TRIES = 4
DAY_S = 24 * 3600
STORYBOARDS = "project_storyboards"


@pytest.fixture
async def gateway(site: Site) -> AsyncIterator[Gateway]:
    async with Gateway(site.vidfab.supabase) as gateway:
        yield gateway


async def project_of(site: Site, shots: int) -> Project:
    supabase = site.vidfab.supabase
    texts = [Shot(number, f"SHOT-{number}") for number in range(1, shots + 1)]
    return await create_project(supabase, await create_user(supabase), texts)


async def rows_of(site: Site, project: Project) -> list[dict[str, Any]]:
    return await site.vidfab.supabase.rows(
        "project_storyboards", project_id=f"eq.{project.id}", order="shot_number"
    )


async def step_3_of(site: Site, project: Project) -> str:
    [row] = await site.vidfab.supabase.rows("video_agent_projects", id=f"eq.{project.id}")
    return row["step_3_status"]


async def stored(site: Site, project: Project, row: dict[str, Any]) -> None:
    job_id = f"storyboard_download_{project.id}_{row['shot_number']}_{row['id']}"
    assert (await site.end_of(job_id)).name == "completed"


async def test_a_picture_whose_row_could_not_be_written_is_no_failure_of_the_last_attempt(
    site: Site, gateway: Gateway
) -> None:
    gateway.faults.answers[PATCH_ROWS] = [503] * TRIES
    await site.worker(SUPABASE_URL=gateway.url)
    project = await project_of(site, 1)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project, attempts=1)
    job = await site.finished(job_id)

    assert (job.state, job.failed_reason) == ("completed", None)
    assert job.returnvalue["data"]["finalStatus"] == "completed"
    [row] = await rows_of(site, project)
    assert (row["status"], row["error_message"]) == ("success", None)
    await stored(site, project, row)
    assert await step_3_of(site, project) == "completed"
    assert (await site.vidfab.providers.control.paid()).images == 1


@pytest.mark.parametrize(
    ("bought", "statuses", "step_3"),
    [
        pytest.param({"1": 60, "2": 60}, ["success", "success"], "completed", id="all"),
        pytest.param({"2": 60}, ["failed", "success"], "partial", id="one"),
        pytest.param({"1": DAY_S}, ["failed", "failed"], "failed", id="its-url-is-dead"),
    ],
)
async def test_a_job_that_failed_for_good_keeps_what_it_bought(
    site: Site, bought: dict[str, int], statuses: list[str], step_3: str
) -> None:
    """The database was away until BullMQ gave the job up: its rows say `generating`.

    `bought` gives by shot how many seconds ago.
    """
    project = await project_of(site, 2)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    rows = await rows_of(site, project)
    url = f"{site.vidfab.providers.media_url}/img/a.jpg"
    purchases = {
        number: {"url": url, "used": [], "at": time.time() - age_s}
        for number, age_s in bought.items()
    }
    checkpoint = {"rows": [row["id"] for row in rows], "bought": purchases}
    fields = {"checkpoint": json.dumps(checkpoint), "defa": "job stalled too often"}
    async with Redis.from_url(site.vidfab.redis.url) as redis:
        await redis.hset(f"bull:{site.queue}:{job_id}", mapping=fields)
    await site.worker()
    assert (await site.finished(job_id)).state == "failed"

    rows = await rows_of(site, project)
    assert [row["status"] for row in rows] == statuses
    assert await step_3_of(site, project) == step_3
    for row in rows:
        if row["status"] == "success":
            await stored(site, project, row)
    assert (await site.vidfab.providers.control.paid()).images == 0


async def test_a_picture_is_its_rows_whatever_number_that_has_by_now(site: Site) -> None:
    """Deleting a shot removes its row and lowers the later ones while the job waits."""
    control, supabase = site.vidfab.providers.control, site.vidfab.supabase
    await control.fail(IMAGES, 503, times=1, body_contains="SHOT-3")
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0")
    project = await project_of(site, 3)
    job_id = await enqueue_storyboards(site.app, supabase, project, backoff_ms=600_000)
    await site.app.wait_for(job_id, "delayed")
    _, second, third = await rows_of(site, project)
    assert (second["status"], third["status"]) == ("success", "generating")
    await supabase.request("DELETE", f"/rest/v1/{STORYBOARDS}", params={"shot_number": "eq.1"})
    for number in (2, 3):
        lowered = {"shot_number": number - 1}
        await supabase.update(STORYBOARDS, lowered, shot_number=f"eq.{number}")
    await site.app.promote(job_id)
    await site.finished(job_id)

    first_now, second_now = await rows_of(site, project)
    assert [row["id"] for row in (first_now, second_now)] == [second["id"], third["id"]]
    assert [row["status"] for row in (first_now, second_now)] == ["success", "success"]
    assert first_now["image_url_external"] == second["image_url_external"]
    assert second_now["image_url_external"] not in {None, second["image_url_external"]}
    assert (await control.paid()).images == 3


@pytest.mark.parametrize("is_to_fail", [False, True])
async def test_a_row_of_no_shot_becomes_final_with_the_job(site: Site, is_to_fail: bool) -> None:
    """Shots were changed before the job ran first: it kept 0 for the row that is none of its."""
    project = await project_of(site, 2)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    first, second = await rows_of(site, project)
    kept = {"rows": {first["id"]: 0, second["id"]: 2}}
    fields = {"checkpoint": json.dumps(kept), **({"defa": "late"} if is_to_fail else {})}
    async with Redis.from_url(site.redis.url) as redis:
        await redis.hset(f"bull:{site.queue}:{job_id}", mapping=fields)
    await site.worker()
    await site.finished(job_id)
    statuses = [row["status"] for row in await rows_of(site, project)]
    assert statuses == ["failed", "failed" if is_to_fail else "success"]
    assert await step_3_of(site, project) == ("failed" if is_to_fail else "partial")


async def test_a_database_that_refuses_writes_until_after_the_last_attempt_costs_no_picture(
    site: Site, gateway: Gateway
) -> None:
    """It is back while the job's failure waits for it: what was bought is written soon."""
    gateway.faults.answers[PATCH_ROWS] = [503] * 10_000
    await site.worker(SUPABASE_URL=gateway.url)
    project = await project_of(site, 3)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project, backoff_ms=50)
    async with asyncio.timeout(PATIENCE_S), Redis.from_url(site.vidfab.redis.url) as redis:
        job = f"bull:{site.queue}:{job_id}"
        while not await redis.hexists(job, "defa"):  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.1)
    assert [row["status"] for row in await rows_of(site, project)] == ["generating"] * 3
    gateway.faults.answers[PATCH_ROWS] = []
    await site.app.wait_for(job_id, "delayed", count=3)
    waiting = await site.app.job(job_id)
    assert waiting is not None
    assert waiting.delay <= 20_000  # in ms; 0 once it is due

    assert (await site.finished(job_id)).state == "failed"
    rows = await rows_of(site, project)
    assert [row["status"] for row in rows] == ["success"] * 3
    assert await step_3_of(site, project) == "completed"
    for row in rows:
        await stored(site, project, row)
    assert (await site.vidfab.providers.control.paid()).images == 3
