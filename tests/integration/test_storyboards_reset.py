"""Rows are reset, asked for anew or deleted while a job of theirs waits, or runs."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from sandbox.app import Project, Shot
from sandbox.app_shots import delete_shot
from sandbox.app_storyboards import StoryboardPage
from sandbox.providers.client import IMAGES
from tests.integration.test_deadlines import bought, project_of, step_3_of
from tests.support.site import Site

PAUSE_S = 6.0
JUST_NOW_S = 1.0


def page_of(site: Site, project: Project) -> StoryboardPage:
    supabase = site.vidfab.supabase
    return StoryboardPage(site.app, supabase, project, now=time.time, sleep=asyncio.sleep)


def with_texts(project: Project, text: str) -> Project:
    shots = [Shot(shot.shot_number, f"{text}-{shot.shot_number}") for shot in project.shots]
    return replace(project, shots=shots)


async def asked_twice(site: Site, apart_s: float) -> tuple[str, str]:
    """The ids of an older job, and of a newer one by another script after a reset."""
    project = await project_of(site)
    page = page_of(site, with_texts(project, "OLD"))
    older = await page.generate()
    await asyncio.sleep(apart_s)
    await page.reset()
    return older, await page_of(site, with_texts(project, "NEW")).generate()


async def test_a_quick_second_request_in_a_backlog_is_the_newer_jobs(site: Site) -> None:
    control = site.vidfab.providers.control
    older, newer = await asked_twice(site, PAUSE_S)
    await site.worker(QUEUE_CONCURRENCY="2")
    assert (await site.finished(newer)).state == "completed"
    assert (await site.finished(older)).state == "failed"
    prompts = [request.body["prompt"] for request in await control.requests(IMAGES)]
    assert len(prompts) == await bought(site) == 2
    assert not [prompt for prompt in prompts if "OLD-" in prompt]


async def old_prompts(site: Site) -> list[str]:
    asked = await site.vidfab.providers.control.requests(IMAGES)
    return [prompt for one in asked if "OLD-" in (prompt := one.body["prompt"])]


async def put_off(site: Site, job_id: str) -> None:
    """As a worker does that gives the job back before it has begun."""
    async with Redis.from_url(site.redis.url) as redis:
        assert await redis.zrem(f"bull:{site.queue}:prioritized", job_id)
        due = round((time.time() + 3600) * 1000) * 0x1000
        await redis.zadd(f"bull:{site.queue}:delayed", {job_id: due})


async def insert_rows(site: Site, project: Project) -> None:
    row = {"project_id": project.id, "version": 1, "is_current": True, "status": "generating"}
    rows = [{**row, "shot_number": shot.shot_number} for shot in project.shots]
    await site.vidfab.supabase.insert("project_storyboards", rows)


async def add_without_rows(site: Site, project: Project, *, like: str) -> str:
    known = await site.app.job(like)
    assert known is not None
    job_id = f"storyboard_{project.id}_{time.time_ns() // 1_000_000}"
    shots = [shot.payload() for shot in project.shots]
    data = {**known.data, "jobId": job_id, "shots": shots}
    return await site.app.add("storyboard_generation", data, {"jobId": job_id, "priority": 2})


def has_had_its_turn(site: Site, job_id: str) -> bool:
    names = [event.name for event in site.app.events_of(job_id)]
    return "active" in names and not {"delayed", "completed", "failed"}.isdisjoint(names)


async def test_a_request_right_after_another_is_the_newer_jobs(site: Site) -> None:
    await site.vidfab.providers.control.delay(IMAGES, 1)
    older, newer = await asked_twice(site, JUST_NOW_S)
    await site.worker(QUEUE_CONCURRENCY="2")
    assert (await site.finished(newer)).state == "completed"
    await site.finished(older)
    assert await bought(site) == 2
    assert await old_prompts(site) == []


async def test_rows_of_a_newer_job_that_has_ended_are_left_alone(site: Site) -> None:
    """One of its pictures was refused: the older job would draw that, by its own script."""
    control = site.vidfab.providers.control
    await control.fail(IMAGES, 400, times=1, body_contains="NEW-2")
    project = await project_of(site)
    page = page_of(site, with_texts(project, "OLD"))
    older = await page.generate()
    await put_off(site, older)
    await asyncio.sleep(PAUSE_S)
    await page.reset()
    newer = await page_of(site, with_texts(project, "NEW")).generate()
    await site.worker()
    assert (await site.finished(newer)).returnvalue["data"]["finalStatus"] == "partial"
    await site.app.promote(older)
    assert (await site.finished(older)).state == "failed"
    assert await old_prompts(site) == []
    assert await step_3_of(site, project) == "partial"


async def test_rows_whose_job_is_not_added_yet_are_left_to_it(site: Site) -> None:
    """The app inserts them first, and an older job's turn comes in between."""
    project = await project_of(site)
    page = page_of(site, with_texts(project, "OLD"))
    older = await page.generate()
    await put_off(site, older)
    await site.worker()
    await asyncio.sleep(PAUSE_S)
    await page.reset()
    await insert_rows(site, project)
    await site.app.promote(older)
    await site.app.wait_until(lambda: has_had_its_turn(site, older))
    newer = await add_without_rows(site, with_texts(project, "NEW"), like=older)
    assert (await site.finished(newer)).state == "completed"
    assert (await site.finished(older)).state == "failed"
    assert await bought(site) == 2
    assert await old_prompts(site) == []


async def test_a_database_whose_clock_is_fast_stops_no_job(site: Site) -> None:
    project = await project_of(site)
    job_id = await page_of(site, project).generate()
    ahead = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    of_project = f"eq.{project.id}"
    times = {"created_at": ahead}
    await site.vidfab.supabase.update("project_storyboards", times, project_id=of_project)
    await site.worker()
    assert (await site.finished(job_id)).state == "completed"
    assert await bought(site) == 2


async def test_a_reset_before_the_first_turn_leaves_the_step_alone(site: Site) -> None:
    project = await project_of(site)
    page = page_of(site, project)
    job_id = await page.generate(attempts=1)
    await page.reset()
    await site.worker()
    assert (await site.finished(job_id)).state == "failed"
    assert await step_3_of(site, project) == "pending"


async def test_a_shot_that_is_deleted_while_others_are_drawn_is_no_failure(site: Site) -> None:
    await site.vidfab.providers.control.delay(IMAGES, 2)
    project = await project_of(site, shots=3)
    await site.worker(STORYBOARD_CONCURRENCY="1")
    page = page_of(site, project)
    job_id = await page.generate()
    await site.wait_for_purchase(1)
    await delete_shot(site.vidfab.supabase, project.id, 3)
    job = await site.finished(job_id)
    assert job.returnvalue["data"]["finalStatus"] == "completed"
    assert (job.returnvalue["data"]["total"], job.returnvalue["data"]["failed"]) == (2, 0)
    assert await page.status() == "completed"
    assert await step_3_of(site, project) == "completed"


async def test_a_shot_that_is_deleted_before_the_first_turn_is_no_failure(site: Site) -> None:
    project = await project_of(site, shots=3)
    page = page_of(site, project)
    job_id = await page.generate()
    await delete_shot(site.vidfab.supabase, project.id, 1)
    await site.worker()
    assert (await site.finished(job_id)).returnvalue["data"]["finalStatus"] == "completed"
    assert await page.status() == "completed"
    assert await step_3_of(site, project) == "completed"
