"""Redis goes away while jobs run: what is done counts when it is back, and is not done again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.app import Project, Shot, create_project, create_user, enqueue_storyboards
from sandbox.redis import RedisServer
from sandbox.vidfab import VidFab
from tests.support.site import Site

OUTAGE_S = 35  # longer than a lock lasts


@pytest.fixture
async def site(vidfab: VidFab, tmp_path: Path) -> AsyncIterator[Site]:
    """On a Redis of its own, whose data survive."""
    async with RedisServer(appendonly=True) as redis, Site(vidfab, tmp_path, redis=redis) as site:
        yield site


async def project_of(site: Site) -> Project:
    supabase = site.vidfab.supabase
    return await create_project(supabase, await create_user(supabase), [Shot(1, "A door")])


async def test_jobs_that_end_during_an_outage_are_completed_after_it_and_run_once(
    site: Site,
) -> None:
    control = site.vidfab.providers.control
    await control.delay("/ark/*", 10)
    for _ in range(2):  # the other one might take for stalled what is only cut off
        await site.worker(QUEUE_CONCURRENCY="2")
    projects = [await project_of(site) for _ in range(3)]
    job_ids = [
        await enqueue_storyboards(site.app, site.vidfab.supabase, project) for project in projects
    ]
    for job_id in job_ids:
        await site.app.wait_until(lambda: len(site.progress(job_id)) > 2)  # noqa: B023
    await site.redis.kill()
    await asyncio.sleep(OUTAGE_S)
    await site.redis.start()
    await control.delay("/ark/*", 0)

    late = await enqueue_storyboards(site.app, site.vidfab.supabase, await project_of(site))
    await site.app.wait_for(late, "active", 5)
    for job_id in job_ids:
        job = await site.finished(job_id, 60)
        assert (job.state, job.attempts_made, job.stalled_counter) == ("completed", 1, 0)
        assert len(site.app.events_of(job_id, "active")) == 1
    await site.finished(late)
    assert (await control.paid()).images == 4
    for project in projects:
        [row] = await site.vidfab.supabase.rows(
            "project_storyboards", project_id=f"eq.{project.id}"
        )
        assert row["status"] == "success"
