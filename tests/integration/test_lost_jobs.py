"""Jobs that BullMQ takes away from a worker, or fails by itself."""

import pytest
from redis.asyncio import Redis

from sandbox.app import Project, Shot, create_project, create_user, enqueue_storyboards
from tests.support.recordings import USER
from tests.support.site import Site
from tests.support.stopwatch import Stopwatch

NOT_FINISHED = "This picture could not be finished. Please try again."


async def test_rows_are_settled_when_bullmq_fails_a_job_by_itself(site: Site) -> None:
    """As it does with a job that stalled too often: no handler runs, `defa` says why."""
    supabase = site.vidfab.supabase
    project = await create_project(supabase, await create_user(supabase), [Shot(1, "A door")])
    job_id = await enqueue_storyboards(site.app, supabase, project)
    reason = "job stalled more than allowable limit"
    async with Redis.from_url(site.vidfab.redis.url) as client:
        await client.hset(f"bull:{site.queue}:{job_id}", "defa", reason)
    await site.worker()
    job = await site.finished(job_id)

    assert (job.state, job.failed_reason) == ("failed", reason)
    [row] = await supabase.rows("project_storyboards", project_id=f"eq.{project.id}")
    assert (row["status"], row["error_message"]) == ("failed", NOT_FINISHED)
    [settled] = await supabase.rows("video_agent_projects", id=f"eq.{project.id}")
    assert settled["step_3_status"] == "failed"
    assert (await site.vidfab.providers.control.paid()).images == 0


@pytest.mark.parametrize(("stalled_before", "state"), [(4, "completed"), (5, "failed")])
async def test_a_job_outlives_five_workers_that_died(
    site: Site, stalled_before: int, state: str
) -> None:
    """It is active without a lock, and was looked at once: the next check finds it stalled."""
    job_id = await site.app.add(
        "update_quota", {"userId": USER, "operation": "add"}, {"priority": 3}
    )
    async with Redis.from_url(site.vidfab.redis.url) as client:
        queue = f"bull:{site.queue}"
        await client.zrem(f"{queue}:prioritized", job_id)
        await client.lpush(f"{queue}:active", job_id)
        await client.sadd(f"{queue}:stalled", job_id)
        await client.hset(f"{queue}:{job_id}", "stc", str(stalled_before))
    await site.worker()
    assert (await site.end_of(job_id)).name == state


async def test_what_a_job_bought_before_bullmq_failed_it_is_stored(site: Site) -> None:
    """Its worker died too often, the last time after a picture had been written to its row."""
    supabase = site.vidfab.supabase
    shots = [Shot(1, "A door"), Shot(2, "A window")]
    project = await create_project(supabase, await create_user(supabase), shots)
    job_id = await enqueue_storyboards(site.app, supabase, project)
    url = f"{site.vidfab.providers.media_url}/img/a.jpg"
    bought = {"status": "success", "storage_status": "pending", "image_url_external": url}
    first = {"project_id": f"eq.{project.id}", "shot_number": "eq.1"}
    await supabase.update("project_storyboards", bought, **first)
    async with Redis.from_url(site.vidfab.redis.url) as client:
        await client.hset(f"bull:{site.queue}:{job_id}", "defa", "job stalled too often")
    await site.worker()
    await site.end_of(job_id)
    [row] = await supabase.rows("project_storyboards", **first)
    await site.end_of(f"storyboard_download_{project.id}_1_{row['id']}")

    rows = await supabase.rows("project_storyboards", project_id=f"eq.{project.id}")
    found = {row["shot_number"]: (row["status"], row["storage_status"]) for row in rows}
    assert found == {1: ("success", "completed"), 2: ("failed", None)}
    [settled] = await supabase.rows("video_agent_projects", id=f"eq.{project.id}")
    assert settled["step_3_status"] == "partial"


async def generating(site: Site) -> tuple[Project, str]:
    """A job of two slow pictures, one after the other, of which the first is being made."""
    supabase = site.vidfab.supabase
    shots = [Shot(1, "A door"), Shot(2, "A window")]
    project = await create_project(supabase, await create_user(supabase), shots)
    job_id = await enqueue_storyboards(site.app, supabase, project)
    await site.wait_for_purchase()
    return project, job_id


async def test_a_worker_that_lost_the_lock_stops_and_writes_nothing_more(site: Site) -> None:
    """That somebody else holds it is found at the next renewal, after some 15 s."""
    supabase, control = site.vidfab.supabase, site.vidfab.providers.control
    await control.delay("/ark/*", 40)
    worker = await site.worker(STORYBOARD_CONCURRENCY="1")
    project, job_id = await generating(site)
    async with Redis.from_url(site.vidfab.redis.url) as client:
        await client.set(f"bull:{site.queue}:{job_id}:lock", "another worker's token")
    watch = Stopwatch(worker)
    await site.wait_for_line(worker, f"Lost the lock of job {job_id}")
    assert watch.seconds() < 35
    assert await worker.stop() == 0

    assert (await control.paid()).images == 1
    rows = await supabase.rows("project_storyboards", project_id=f"eq.{project.id}")
    assert [row["status"] for row in rows] == ["generating", "generating"]
    job = await site.app.job(job_id)
    assert job is not None
    assert (job.state, job.attempts_made) == ("active", 0)


async def test_a_lock_that_ran_out_is_taken_again_while_nobody_has_the_job(site: Site) -> None:
    """As after an outage of Redis, or of the worker, that was longer than the lock."""
    control = site.vidfab.providers.control
    await control.delay("/ark/*", 12)
    await site.worker(STORYBOARD_CONCURRENCY="1")
    _, job_id = await generating(site)
    async with Redis.from_url(site.vidfab.redis.url) as client:
        await client.delete(f"bull:{site.queue}:{job_id}:lock")
    job = await site.finished(job_id)

    assert (job.state, job.attempts_made, job.stalled_counter) == ("completed", 1, 0)
    assert len(site.app.events_of(job_id, "active")) == 1
    assert (await control.paid()).images == 2


async def test_a_job_that_comes_back_to_its_own_worker_is_run_once(site: Site) -> None:
    """Found stalled while the worker was blocked: the older delivery ends before the newer runs."""
    control = site.vidfab.providers.control
    await control.delay("/ark/*", 6)
    worker = await site.worker(STORYBOARD_CONCURRENCY="1")
    _, job_id = await generating(site)
    queue = f"bull:{site.queue}"
    async with Redis.from_url(site.vidfab.redis.url) as client, client.pipeline() as pipe:
        pipe.delete(f"{queue}:{job_id}:lock").lrem(f"{queue}:active", 0, job_id)
        pipe.zadd(f"{queue}:prioritized", {job_id: 2 * 2**32}).zadd(f"{queue}:marker", {"0": 0})
        await pipe.execute()
    watch = Stopwatch(worker)
    await site.wait_for_line(worker, f"Lost the lock of job {job_id}")
    assert watch.seconds() < 35
    job = await site.finished(job_id)

    assert (job.state, job.attempts_made) == ("completed", 1)
    assert len(site.app.events_of(job_id, "completed")) == 1
    assert (await control.paid()).images == 3, "two, and the one in flight"
