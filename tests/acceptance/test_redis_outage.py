"""Redis goes away while jobs run: what is done counts when it is back, and is not done again."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from runtime.app import EXIT_UNCLEAN
from sandbox.app import Project, Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import LOOPBACK, PATIENCE_S, free_port
from sandbox.redis import RedisServer
from sandbox.vidfab import VidFab
from tests.support.site import Site
from tests.support.stopwatch import Stopwatch

OUTAGE_S = 35  # longer than a lock lasts
UNCERTAIN_S = 22  # from then on a lock that was not renewed is asked for before each write
FULL, ROOM = ("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")
READ_ONLY, WRITABLE = ("REPLICAOF", LOOPBACK, str(free_port())), ("REPLICAOF", "NO", "ONE")


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
    # The other one might take for stalled what is only cut off.
    workers = [await site.worker(QUEUE_CONCURRENCY="2") for _ in range(2)]
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
    fetch = Stopwatch(*workers, site.redis.process)
    await site.app.wait_for(late, "active")
    assert fetch.seconds() < 5
    for job_id in job_ids:
        job = await site.finished(job_id)
        assert (job.state, job.attempts_made, job.stalled_counter) == ("completed", 1, 0)
        assert len(site.app.events_of(job_id, "active")) == 1
    await site.finished(late)
    assert (await control.paid()).images == 4
    for project in projects:
        [row] = await site.vidfab.supabase.rows(
            "project_storyboards", project_id=f"eq.{project.id}"
        )
        assert row["status"] == "success"


# -- Redis answers, and takes no writes ---------------------------------------------------------


async def drawn(site: Site, project: Project) -> None:
    """Until the picture stands in its row: what is left of the job is its follow-up and its end."""
    async with asyncio.timeout(PATIENCE_S):
        while not await site.vidfab.supabase.rows(  # noqa: ASYNC110 (another process)
            "project_storyboards", project_id=f"eq.{project.id}", status="eq.success"
        ):
            await asyncio.sleep(0.05)


async def tell(site: Site, command: tuple[str, ...]) -> None:
    async with Redis.from_url(site.redis.url) as redis:
        await redis.execute_command(*command)


@pytest.mark.parametrize(
    ("begins", "ends"), [(FULL, ROOM), (READ_ONLY, WRITABLE)], ids=["full", "read-only"]
)
async def test_follow_ups_wait_for_a_redis_that_takes_no_writes(
    site: Site, begins: tuple[str, ...], ends: tuple[str, ...]
) -> None:
    await site.vidfab.providers.control.delay("/ark/*", 1)
    worker = await site.worker()
    project = await project_of(site)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    await site.wait_for_purchase()
    await tell(site, begins)
    await drawn(site, project)
    await site.wait_for_line(worker, "BullMQ reports")
    await asyncio.sleep(3)  # so that it is tried more than once
    await tell(site, ends)

    job = await site.finished(job_id)
    assert (job.state, job.attempts_made, job.failed_reason) == ("completed", 1, None)
    assert len(site.app.events_of(job_id, "active")) == 1
    [row] = await site.vidfab.supabase.rows("project_storyboards", project_id=f"eq.{project.id}")
    await site.app.wait_for(f"storyboard_download_{project.id}_1_{row['id']}", "completed")


async def test_a_job_whose_lock_cannot_be_renewed_in_a_full_redis_burns_no_attempt(
    site: Site,
) -> None:
    """Before it writes the row it asks for its lock, and waits for the answer."""
    control = site.vidfab.providers.control
    await control.delay("/ark/*", UNCERTAIN_S)
    await site.worker()
    project = await project_of(site)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    await site.wait_for_purchase()
    await tell(site, FULL)
    await asyncio.sleep(UNCERTAIN_S + 3)
    await tell(site, ROOM)

    job = await site.finished(job_id)
    assert (job.state, job.attempts_made, job.stalled_counter) == ("completed", 1, 0)
    assert len(site.app.events_of(job_id, "active")) == 1
    assert (await control.paid()).images == 1


async def test_a_stop_does_not_wait_for_follow_ups_that_redis_does_not_take(site: Site) -> None:
    await site.vidfab.providers.control.delay("/ark/*", 1)
    worker = await site.worker(SHUTDOWN_GRACE_S="1")
    project = await project_of(site)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    await site.wait_for_purchase()
    await tell(site, FULL)
    await drawn(site, project)
    await site.wait_for_line(worker, "BullMQ reports")
    stop = Stopwatch(worker)
    worker.signal(signal.SIGTERM)
    code, took_s = await stop.end_of(worker)
    assert code == EXIT_UNCLEAN
    assert took_s < 8  # 1 s of grace, and the 5 s that a stop may take
    assert site.app.events_of(job_id, "failed") == []
