"""Rows are reset, asked for anew or deleted while a job of theirs waits, or runs."""

import asyncio
import time
from dataclasses import replace

from redis.asyncio import Redis

from sandbox.app import Project, Shot
from sandbox.app_shots import delete_shot
from sandbox.app_storyboards import StoryboardPage
from sandbox.providers.client import IMAGES
from tests.integration.test_deadlines import bought, project_of, step_3_of
from tests.support.site import Site

PAUSE_S = 6.0


def page_of(site: Site, project: Project) -> StoryboardPage:
    supabase = site.vidfab.supabase
    return StoryboardPage(site.app, supabase, project, now=time.time, sleep=asyncio.sleep)


def with_texts(project: Project, text: str) -> Project:
    shots = [Shot(shot.shot_number, f"{text}-{shot.shot_number}") for shot in project.shots]
    return replace(project, shots=shots)


async def test_a_quick_second_request_in_a_backlog_is_the_newer_jobs(site: Site) -> None:
    control = site.vidfab.providers.control
    project = await project_of(site)
    page = page_of(site, with_texts(project, "OLD"))
    older = await page.generate()
    await asyncio.sleep(PAUSE_S)
    await page.reset()
    newer = await page_of(site, with_texts(project, "NEW")).generate()
    await site.worker(QUEUE_CONCURRENCY="2")
    assert (await site.finished(newer)).state == "completed"
    assert (await site.finished(older)).state == "failed"
    prompts = [request.body["prompt"] for request in await control.requests(IMAGES)]
    assert len(prompts) == await bought(site) == 2
    assert not [prompt for prompt in prompts if "OLD-" in prompt]


async def test_a_database_whose_clock_is_fast_stops_no_job(site: Site) -> None:
    project = await project_of(site)
    job_id = await page_of(site, project).generate()
    async with Redis.from_url(site.redis.url) as redis:
        added_ms = round((time.time() - 90) * 1000)
        await redis.hset(f"bull:{site.queue}:{job_id}", "timestamp", added_ms)
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
