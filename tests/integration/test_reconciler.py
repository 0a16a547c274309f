"""Projects that wait for a final video whose job may be alive, done, failed or lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stamina
from redis.asyncio import Redis

from core.jobs.envelope import iso
from sandbox.app import start_consumer
from sandbox.gateway import Gateway
from sandbox.providers.models import Timing
from services.supabase.projects import Step
from tests.support.compositions import JOB, clip, lay_project, options, payload, project_row
from tests.support.compositions import shotstack as shotstack_settings
from tests.support.recordings import PROJECT
from tests.support.site import Site
from tests.support.watch import (
    Meanwhile,
    in_an_hour,
    logged,
    nothing,
    reconciler,
    services_of,
    work_a_round,
)

Told = Callable[[Site], Awaitable[object]]


async def lay(site: Site, status: str = "processing", **columns: Any) -> dict[str, Any]:
    """A project that waits for its film."""
    url = f"{site.vidfab.providers.media_url}/clip/a.mp4?seconds=4"
    state = {"status": "processing", "step_6_status": status, **columns}
    await lay_project(site.vidfab, [4], [clip(1, url)], **state)
    return await project_row(site.vidfab)


async def add(site: Site, **change: Any) -> str:
    return await site.app.add("va_compose_video", payload(), options(**change))


async def statuses(site: Site) -> tuple[str, str]:
    row = await project_row(site.vidfab)
    return row["status"], row["step_6_status"]


@asynccontextmanager
async def redis_of(site: Site) -> AsyncIterator[Redis]:
    async with Redis.from_url(site.vidfab.redis.url, decode_responses=True) as client:
        yield client


# -- lost, failed, done ---------------------------------------------------------------------


@pytest.mark.parametrize("status", ["processing", "queued"])
async def test_a_project_without_a_job_fails(site: Site, status: str) -> None:
    await lay(site, status)
    with logged() as log:
        await work_a_round(site)
    assert await statuses(site) == ("failed", "failed")
    [line] = log.about("Reconciler")
    assert line.startswith("INFO")
    assert PROJECT in line
    assert f"'{status}' in step_6_status" in line
    assert "not in the queue: now failed" in line


async def test_a_job_that_is_in_no_set_is_lost(site: Site) -> None:
    """Its hash alone: what a pause can leave behind."""
    await lay(site)
    await add(site)
    async with redis_of(site) as redis:
        assert await redis.zrem(f"bull:{site.queue}:prioritized", JOB) == 1
    await work_a_round(site)
    assert await statuses(site) == ("failed", "failed")


async def test_a_failed_job_fails_its_project(site: Site) -> None:
    await lay(site)
    await add(site)
    node = await start_consumer(site.vidfab.redis.url, site.queue, site.folder)
    assert (await site.finished(JOB)).state == "failed"
    await node.stop()
    with logged() as log:
        await work_a_round(site)
    assert await statuses(site) == ("failed", "failed")
    assert "its job failed: No handler for va_compose_video" in log.about("Reconciler")[0]


async def test_a_completed_job_repairs_its_project(site: Site) -> None:
    await lay(site)
    await site.vidfab.providers.control.timing(Timing(renders=0))
    await site.worker(**shotstack_settings(site.vidfab))
    await add(site)
    job = await site.finished(JOB)
    right = await project_row(site.vidfab)
    film = [name for name in right if name.startswith("final_video")]
    stale = {"status": "processing", "step_6_status": "processing", "completed_at": None}
    stale |= dict.fromkeys(film)
    await site.vidfab.supabase.update("video_agent_projects", stale, id=f"eq.{PROJECT}")

    await work_a_round(site)
    repaired = await project_row(site.vidfab)
    assert {name: repaired[name] for name in film} == {name: right[name] for name in film}
    assert repaired["final_video_url"] == job.returnvalue["data"]["video"]["url"]
    assert (repaired["status"], repaired["step_6_status"]) == ("completed", "completed")
    completed_at = datetime.fromisoformat(repaired["completed_at"])
    assert round(completed_at.timestamp() * 1000) == job.finished_on


# -- alive ----------------------------------------------------------------------------------


async def _waiting(site: Site) -> None:
    await site.app.add("va_compose_video", payload(), {"jobId": JOB})


async def _paused(site: Site) -> None:
    await site.app.pause()
    await _waiting(site)


async def _prioritized(site: Site) -> None:
    await add(site)


async def _delayed(site: Site) -> None:
    await add(site, delay=600_000)


async def _waiting_for_children(site: Site) -> None:
    await add(site)
    async with redis_of(site) as redis:
        await redis.zrem(f"bull:{site.queue}:prioritized", JOB)
        await redis.zadd(f"bull:{site.queue}:waiting-children", {JOB: 1})


@pytest.mark.parametrize("put", [_waiting, _paused, _prioritized, _delayed, _waiting_for_children])
async def test_a_project_whose_job_waits_is_left_alone(site: Site, put: Told) -> None:
    before = await lay(site)
    await put(site)
    await work_a_round(site)
    assert await project_row(site.vidfab) == before


async def test_a_project_whose_job_runs_is_left_alone(site: Site) -> None:
    before = await lay(site)
    node = await start_consumer(site.vidfab.redis.url, site.queue, site.folder)
    await site.app.add("sleep", {"ms": 60_000}, options())
    await site.app.wait_for(JOB, "active")
    await work_a_round(site)
    await node.kill()
    assert await project_row(site.vidfab) == before


async def test_a_young_project_is_left_alone(site: Site) -> None:
    old = datetime.now(UTC) - timedelta(minutes=19)
    before = await lay(site, updated_at=iso(old))
    await work_a_round(site, now=lambda: datetime.now(UTC))
    assert await project_row(site.vidfab) == before


@pytest.mark.parametrize("status", ["completed", "failed", None])
async def test_a_settled_project_is_left_alone(site: Site, status: str | None) -> None:
    before = await lay(site, status)
    await work_a_round(site)
    assert await project_row(site.vidfab) == before


async def test_only_the_lost_one_of_many_fails(site: Site) -> None:
    """More projects than a page holds, and their jobs."""
    row = await lay(site)
    ids = [f"22222222-2222-4222-8222-{number:012}" for number in range(1200)]
    many = [{**row, "id": project_id} for project_id in ids]
    for start in range(0, len(many), 200):  # Supabase Lite loses its database over larger inserts
        await site.vidfab.supabase.insert("video_agent_projects", many[start : start + 200])
    lost = {ids[0], ids[600], ids[1199], PROJECT}
    jobs = [
        {"name": "va_compose_video", "data": {}, "opts": options(jobId=f"va_compose_{one}")}
        for one in ids
        if one not in lost
    ]
    await site.app.add_bulk(jobs)
    await work_a_round(site)
    failed = await site.vidfab.supabase.rows("video_agent_projects", step_6_status="eq.failed")
    assert {one["id"] for one in failed} == lost


# -- races ----------------------------------------------------------------------------------


async def test_a_job_that_is_added_before_the_write_wins(site: Site) -> None:
    before = await lay(site)
    await work_a_round(site, before=lambda: add(site))
    assert await project_row(site.vidfab) == before


async def test_a_row_that_changes_before_the_write_stays(site: Site) -> None:
    """Same state, as when the person asks again: only `updated_at` tells."""
    await lay(site)

    async def asked_again() -> None:
        state = {"step_6_status": "processing"}
        await site.vidfab.supabase.update("video_agent_projects", state, id=f"eq.{PROJECT}")

    with logged() as log:
        await work_a_round(site, after=asked_again)
    assert await statuses(site) == ("processing", "processing")
    assert log.about("Reconciler") == []


async def test_a_row_is_settled_once(site: Site) -> None:
    await lay(site)
    async with services_of(site) as services:
        projects = services.projects
        [found] = await projects.waiting(Step.FILM, in_an_hour())
        won = await asyncio.gather(*(projects.finish_step(found, "failed") for _ in range(4)))
    assert sorted(won) == [False, False, False, True]


# -- the fleet ------------------------------------------------------------------------------


async def test_one_worker_of_the_fleet_works_a_round(site: Site) -> None:
    await lay(site)
    async with reconciler(site) as one, reconciler(site) as other, redis_of(site) as redis:
        with logged() as log:
            assert sorted(await asyncio.gather(one.round(), other.round())) == [False, True]
        assert len(log.about("Reconciler")) == 1
        assert not await one.round()
        left_ms = await redis.pttl(f"bull:{site.queue}:vidfab:watchdog")
    assert 0 < left_ms <= 270_000


INTERVAL = timedelta(seconds=5)  # nine tenths of it are a round's, on a busy machine too


@asynccontextmanager
async def running(site: Site, before: Meanwhile = nothing, **variables: str) -> AsyncIterator[None]:
    """A reconciler that works a round every `INTERVAL`."""
    async with reconciler(site, before=before, variables=variables, interval=INTERVAL) as dog:
        rounds = asyncio.create_task(dog.run())
        try:
            yield
        finally:
            rounds.cancel()
            await asyncio.wait({rounds})


async def test_a_supabase_that_is_down_costs_a_round(site: Site) -> None:
    await lay(site)
    gateway = Gateway(site.vidfab.supabase)
    with logged() as log, stamina.set_testing(True, attempts=1):
        async with running(site, SUPABASE_URL=gateway.url):
            await log.until("could not be reached to read the waiting projects")
            assert await statuses(site) == ("processing", "processing")
            async with gateway:
                await log.until("Reconciler: project")
    assert log.about("WARNING")[0].startswith(f"WARNING The reconciler tries again in {INTERVAL}")
    assert await statuses(site) == ("failed", "failed")


async def test_a_redis_that_refuses_costs_a_round(site: Site) -> None:
    await lay(site)
    url = site.vidfab.redis.url.replace("redis://", "redis://limited:x@")
    async with redis_of(site) as redis:
        limited = ("ACL", "SETUSER", "limited")
        await redis.execute_command(*limited, "on", ">x", "~*", "+@all", "-lrange")
        with logged() as log:
            async with running(site, BULLMQ_REDIS_URL=url):
                await log.until("has no permissions to run the 'lrange' command")
                assert await statuses(site) == ("processing", "processing")
                await redis.execute_command(*limited, "+lrange")
                await log.until("Reconciler: project")
        await redis.execute_command("ACL", "DELUSER", "limited")
    assert log.about("WARNING")[0].startswith(f"WARNING The reconciler tries again in {INTERVAL}")
    assert await statuses(site) == ("failed", "failed")


async def test_a_defect_costs_a_round_and_is_told_in_full(site: Site) -> None:
    await lay(site)
    defects = iter([ZeroDivisionError("a defect")])

    async def defect() -> None:
        for error in defects:
            raise error

    with logged() as log:
        async with running(site, defect):
            await log.until("Reconciler: project")
    [line] = log.about("ERROR")
    assert "round failed" in line
    assert "ZeroDivisionError: a defect" in line
    assert await statuses(site) == ("failed", "failed")


async def test_a_worker_settles_what_it_finds_at_its_start(site: Site) -> None:
    old = datetime.now(UTC) - timedelta(minutes=21)
    await lay(site, updated_at=iso(old))
    worker = await site.worker()
    await site.wait_for_line(worker, f"Reconciler: project {PROJECT}")
    assert await statuses(site) == ("failed", "failed")
    assert await worker.stop() == 0
