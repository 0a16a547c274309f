"""A storyboard job waits for nothing that can be done beside its other work."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.responses import Response

from sandbox.app import Project, Shot, create_project, create_user, enqueue_storyboards
from sandbox.gateway import Gateway
from sandbox.processes import PATIENCE_S
from sandbox.providers.models import Fault, Match
from sandbox.supabase import SupabaseLite
from tests.support.site import Site

TABLES = ("/rest/v1/video_agent_projects", "/rest/v1/project_storyboards")


class MeetingPoint(Gateway):
    """Reads of the project and of its storyboards are first answered when both are there."""

    def __init__(self, supabase: SupabaseLite) -> None:
        super().__init__(supabase)
        self.asked = {table: asyncio.Event() for table in TABLES}

    async def _pass_on(self, request: Request) -> Response:
        if request.method == "GET" and request.url.path in self.asked:
            self.asked[request.url.path].set()
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*(asked.wait() for asked in self.asked.values()))
        return await super()._pass_on(request)


@pytest.fixture
async def meeting(site: Site) -> AsyncIterator[MeetingPoint]:
    async with MeetingPoint(site.vidfab.supabase) as gateway:
        yield gateway


async def project_of(site: Site, shots: int) -> Project:
    supabase = site.vidfab.supabase
    texts = [Shot(number, f"SHOT-{number}") for number in range(1, shots + 1)]
    return await create_project(supabase, await create_user(supabase), texts)


async def test_project_and_rows_are_read_side_by_side(site: Site, meeting: MeetingPoint) -> None:
    await site.worker(SUPABASE_URL=meeting.url)
    project = await project_of(site, 1)
    job = await site.finished(await enqueue_storyboards(site.app, site.vidfab.supabase, project))
    assert (job.state, job.attempts_made) == ("completed", 1)


async def test_a_picture_is_stored_while_the_next_one_is_being_made(site: Site) -> None:
    control = site.vidfab.providers.control
    match = Match(path="/ark/*", body_contains="SHOT-2")
    await control.add(Fault(match=match, delay_s=120))
    worker = await site.worker(STORYBOARD_CONCURRENCY="1", SHUTDOWN_GRACE_S="0")
    project = await project_of(site, 2)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    [first, _] = await site.vidfab.supabase.rows(
        "project_storyboards", project_id=f"eq.{project.id}", order="shot_number"
    )
    download = f"storyboard_download_{project.id}_1_{first['id']}"
    assert (await site.end_of(download)).name == "completed"

    job = await site.app.job(job_id)
    assert job is not None
    assert job.state == "active"
    [added] = [event for event in site.app.events_of(download, "added")]
    assert added.args["name"] == "storyboard_download"
    assert await worker.stop() == 0
