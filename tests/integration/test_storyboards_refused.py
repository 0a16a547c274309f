"""A database that refuses for a while costs no picture that was paid for."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from sandbox.app import Project
from sandbox.app_storyboards import StoryboardPage
from sandbox.gateway import Gateway
from sandbox.providers.client import IMAGES
from tests.integration.test_deadlines import bought, project_of, rows_of, step_3_of
from tests.support.site import Site

PATCH_ROWS = "PATCH /rest/v1/project_storyboards"
EVER = 10_000


@pytest.fixture
async def gateway(site: Site) -> AsyncIterator[Gateway]:
    async with Gateway(site.vidfab.supabase) as gateway:
        yield gateway


def page_of(site: Site, project: Project) -> StoryboardPage:
    supabase = site.vidfab.supabase
    return StoryboardPage(site.app, supabase, project, now=time.time, sleep=asyncio.sleep)


async def statuses_of(site: Site, project: Project) -> list[str]:
    return [row["status"] for row in await rows_of(site, project)]


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_refused_write_is_tried_again_at_the_end_of_the_attempt(
    site: Site, gateway: Gateway, status: int
) -> None:
    gateway.faults.answers[PATCH_ROWS] = [status]
    await site.worker(SUPABASE_URL=gateway.url)
    project = await project_of(site)
    job = await site.finished(await page_of(site, project).generate())
    assert job.returnvalue["data"]["finalStatus"] == "completed"
    assert await statuses_of(site, project) == ["success", "success"]
    assert await bought(site) == 2


async def test_a_refused_write_is_tried_again_by_the_next_attempt(
    site: Site, gateway: Gateway
) -> None:
    """The other shot fails for a passing reason, so that there is one."""
    await site.vidfab.providers.control.fail(IMAGES, 429, times=1, body_contains="SHOT-2")
    gateway.faults.answers[PATCH_ROWS] = [403]
    await site.worker(SUPABASE_URL=gateway.url, BYTEPLUS_IMAGE_MAX_RETRIES="0")
    project = await project_of(site)
    job = await site.finished(await page_of(site, project).generate(backoff_ms=50))
    assert (job.state, job.attempts_made) == ("completed", 2)
    assert await statuses_of(site, project) == ["success", "success"]
    assert await bought(site) == 2


@pytest.mark.parametrize("status", [400, 401])
async def test_pictures_that_are_refused_wait_for_their_rows(
    site: Site, gateway: Gateway, status: int
) -> None:
    """A key was rotated while they were made."""
    gateway.faults.answers[PATCH_ROWS] = [status] * EVER
    await site.worker(SUPABASE_URL=gateway.url)
    project = await project_of(site)
    job_id = await page_of(site, project).generate()
    await site.app.wait_for(job_id, "delayed")
    assert await statuses_of(site, project) == ["generating", "generating"]
    gateway.faults.answers.clear()
    await site.app.promote(job_id)
    assert (await site.finished(job_id)).state == "failed"
    assert await statuses_of(site, project) == ["success", "success"]
    assert await step_3_of(site, project) == "completed"
    assert await bought(site) == 2
