"""A database that refuses for a while costs no picture that was paid for."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response

from core.deadline import PATIENCE
from sandbox.app import Project
from sandbox.app_storyboards import StoryboardPage
from sandbox.gateway import Gateway
from sandbox.providers.client import IMAGES
from tests.integration.test_deadlines import (
    PATIENCE_S,
    bought,
    project_of,
    rows_of,
    set_fields,
    step_3_of,
)
from tests.support.deadlines import clock_of, make_older
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
    await site.vidfab.providers.control.fail(IMAGES, 503, times=1, body_contains="SHOT-2")
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


class RowGateway(Gateway):
    """The database refuses each change of a single row of `refused`, as a trigger does."""

    refused: frozenset[str] = frozenset()
    status = 403

    async def _pass_on(self, request: Request) -> Response:
        row_id = request.query_params.get("id", "").removeprefix("eq.")
        if request.method == "PATCH" and row_id in self.refused:
            return Response("fault", self.status)
        return await super()._pass_on(request)


async def keep_bought(site: Site, job_id: str, rows: list[dict[str, Any]], *numbers: str) -> None:
    """The job has the pictures of these shots, none in its row. The last came five minutes ago."""
    url = f"{site.vidfab.providers.media_url}/img/a.jpg"
    purchase = {"url": url, "used": [], "at": time.time() - 300}
    of_rows = {row["id"]: row["shot_number"] for row in rows}
    bought_ones = dict.fromkeys(numbers, purchase)
    await set_fields(site, job_id, checkpoint={"rows": of_rows, "bought": bought_ones})


async def waiting_with_two_bought(site: Site, project: Project) -> tuple[str, list[str]]:
    """A job that has two of three pictures, and none in its row; and the ids of the rows."""
    job_id = await page_of(site, project).generate(attempts=1)
    rows = await rows_of(site, project)
    await keep_bought(site, job_id, rows, "1", "2")
    return job_id, [row["id"] for row in rows]


async def test_a_row_that_is_refused_keeps_no_other_of_an_overdue_job_open(site: Site) -> None:
    project = await project_of(site, shots=3)
    async with RowGateway(site.vidfab.supabase) as supabase:
        _, [first, *_] = await waiting_with_two_bought(site, project)
        supabase.refused = frozenset({first})
        async with clock_of(site, SUPABASE_URL=supabase.url) as clock:
            clock.ahead_s = PATIENCE_S + 5
            await clock.look()
    assert await statuses_of(site, project) == ["failed", "success", "failed"]
    assert await step_3_of(site, project) == "partial"


async def test_a_row_that_is_refused_keeps_no_other_picture_from_its_row(site: Site) -> None:
    """The job is only to fail: its hook comes again for the refused one."""
    project = await project_of(site, shots=3)
    async with RowGateway(site.vidfab.supabase) as supabase:
        job_id, [first, *_] = await waiting_with_two_bought(site, project)
        supabase.refused = frozenset({first})
        async with Redis.from_url(site.redis.url) as redis:
            await redis.hset(f"bull:{site.queue}:{job_id}", "defa", "refused")
        await site.worker(SUPABASE_URL=supabase.url)
        await site.app.wait_for(job_id, "delayed")
        assert (await statuses_of(site, project))[:2] == ["generating", "success"]


@pytest.mark.parametrize("age", [timedelta(0), PATIENCE])
async def test_a_picture_that_is_refused_for_good_holds_its_job_while_somebody_waits(
    site: Site, age: timedelta
) -> None:
    project = await project_of(site, shots=3)
    async with RowGateway(site.vidfab.supabase) as supabase:
        job_id, [first, *_] = await waiting_with_two_bought(site, project)
        await make_older(site, job_id, age)
        supabase.refused, supabase.status = frozenset({first}), 400
        async with Redis.from_url(site.redis.url) as redis:
            await redis.hset(f"bull:{site.queue}:{job_id}", "defa", "refused")
        await site.worker(SUPABASE_URL=supabase.url)
        await site.app.wait_for(job_id, "failed" if age else "delayed")
    ends = ["failed", "success", "failed"] if age else ["generating", "success", "generating"]
    assert await statuses_of(site, project) == ends
    assert await step_3_of(site, project) == ("partial" if age else "processing")


async def test_the_step_waits_for_a_picture_that_is_written_when_nobody_waits_any_longer(
    site: Site,
) -> None:
    project = await project_of(site)
    job_id = await page_of(site, project).generate(backoff_ms=3_600_000)
    rows = await rows_of(site, project)
    await keep_bought(site, job_id, rows, "1")
    await make_older(site, job_id, PATIENCE)
    async with RowGateway(site.vidfab.supabase) as supabase:
        supabase.refused, supabase.status = frozenset({rows[0]["id"]}), 503
        worker = await site.worker(SUPABASE_URL=supabase.url)
        await site.app.wait_for(job_id, "delayed")
        await worker.stop()
    assert await statuses_of(site, project) == ["generating", "failed"]
    async with clock_of(site) as clock:
        await clock.look()
    assert await statuses_of(site, project) == ["success", "failed"]
    assert await step_3_of(site, project) == "partial"
