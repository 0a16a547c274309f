"""Projects that wait for storyboards whose job may be alive or lost."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.jobs.envelope import iso
from sandbox.app import Shot, create_project, create_user, enqueue_storyboards, start_consumer
from tests.support.recordings import PROJECT
from tests.support.site import Site
from tests.support.storyboards import (
    generated,
    generating,
    lay_project,
    step_3_status,
    storyboards,
)
from tests.support.watch import logged, work_a_round

JOB = f"storyboard_{PROJECT}_1795474848073"
LOST = "This picture could not be finished. Please try again."
URL = "https://provider.example/1.png"


async def add(site: Site, job_id: str = JOB, **change: Any) -> str:
    options = {"jobId": job_id, "priority": 2, "attempts": 3, **change}
    return await site.app.add("storyboard_generation", {"projectId": PROJECT}, options)


async def lay(site: Site, *rows: dict[str, Any]) -> None:
    empty = dict.fromkeys(("image_url", "image_url_external", "storage_status"))
    await lay_project(site.vidfab, [{**empty, **row} for row in rows or generating(1, 2)])


async def everything(site: Site) -> tuple[Any, Any]:
    supabase = site.vidfab.supabase
    return await supabase.rows("video_agent_projects"), await supabase.rows("project_storyboards")


# -- lost -----------------------------------------------------------------------------------


async def test_pictures_of_a_lost_job_fail_and_the_others_count(site: Site) -> None:
    await lay(site, *generating(1, 3), generated(2, URL, "completed"))
    before = (await storyboards(site.vidfab))[2]
    with logged() as log:
        await work_a_round(site)
    assert await step_3_status(site.vidfab) == "partial"
    rows = await storyboards(site.vidfab)
    assert rows[2] == before
    assert [(rows[n]["status"], rows[n]["error_message"]) for n in (1, 3)] == [("failed", LOST)] * 2
    [line] = log.about("Reconciler")
    assert line.startswith("INFO")
    assert f"project {PROJECT} was 'processing' in step_3_status" in line
    assert line.endswith("now partial, 2 pictures failed")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (generating(1, 2), "failed"),
        ([generated(1, URL, "completed"), generated(2, URL, "pending")], "completed"),
        ([{**generating(1)[0], "status": "failed"}], "failed"),
    ],
    ids=["none there", "all there", "all failed"],
)
async def test_step_3_is_settled_by_its_rows(
    site: Site, rows: list[dict[str, Any]], expected: str
) -> None:
    await lay(site, *rows)
    await work_a_round(site)
    assert await step_3_status(site.vidfab) == expected


async def test_a_project_without_rows_fails(site: Site) -> None:
    await lay_project(site.vidfab)
    await work_a_round(site)
    assert await step_3_status(site.vidfab) == "failed"


async def test_a_failed_job_counts_as_none(site: Site) -> None:
    await lay(site)
    await add(site)
    node = await start_consumer(site.vidfab.redis.url, site.queue, site.folder)
    assert (await site.finished(JOB)).state == "failed"
    await node.stop()
    await work_a_round(site)
    assert await step_3_status(site.vidfab) == "failed"


@pytest.mark.parametrize(
    "other",
    [
        f"storyboard_download_{PROJECT}_1_33333333-3333-4333-8333-000001000001",
        "storyboard_22222222-2222-4222-8222-222222222222_1795474848073",
        f"va_compose_{PROJECT}",
        f"va_sync_{PROJECT}",
    ],
)
async def test_other_jobs_do_not_count(site: Site, other: str) -> None:
    await lay(site)
    await add(site, other)
    await work_a_round(site)
    assert await step_3_status(site.vidfab) == "failed"


async def test_rows_of_older_versions_stay(site: Site) -> None:
    old = {**generating(2)[0], "version": 1, "shot_number": 1, "is_current": False}
    await lay(site, old, {**generated(1, URL, None), "version": 2})
    await work_a_round(site)
    rows = await site.vidfab.supabase.rows("project_storyboards", is_current="is.false")
    assert [row["status"] for row in rows] == ["generating"]
    assert await step_3_status(site.vidfab) == "completed"


# -- alive ----------------------------------------------------------------------------------


async def _as_the_app_does(site: Site) -> None:
    supabase = site.vidfab.supabase
    project = await create_project(supabase, await create_user(supabase), [Shot(1, "A door")])
    await enqueue_storyboards(site.app, supabase, project)


async def _waiting(site: Site) -> None:
    await lay(site)
    await add(site, priority=0)


async def _paused(site: Site) -> None:
    await site.app.pause()
    await _waiting(site)


async def _delayed(site: Site) -> None:
    await lay(site)
    await add(site, delay=600_000)


@pytest.mark.parametrize("put", [_as_the_app_does, _waiting, _paused, _delayed])
async def test_a_project_whose_job_waits_is_left_alone(
    site: Site, put: Callable[[Site], Awaitable[object]]
) -> None:
    await put(site)
    before = await everything(site)
    await work_a_round(site)
    assert await everything(site) == before


async def test_a_project_whose_job_runs_is_left_alone(site: Site) -> None:
    await lay(site)
    before = await everything(site)
    node = await start_consumer(site.vidfab.redis.url, site.queue, site.folder)
    await site.app.add("sleep", {"ms": 60_000}, {"jobId": JOB, "priority": 2})
    await site.app.wait_for(JOB, "active")
    await work_a_round(site)
    await node.kill()
    assert await everything(site) == before


async def test_a_young_project_is_left_alone(site: Site) -> None:
    await lay(site, *generating(1), generated(2, URL, None))
    before = await everything(site)
    await work_a_round(site, now=lambda: datetime.now(UTC) + timedelta(minutes=19))
    assert await everything(site) == before


async def test_a_young_project_with_all_pictures_is_left_alone(site: Site) -> None:
    """Its job writes the pictures first and settles the project then."""
    await lay(site, generated(1, URL, None))
    before = await everything(site)
    await work_a_round(site, now=lambda: datetime.now(UTC) + timedelta(minutes=19))
    assert await everything(site) == before


# -- races ----------------------------------------------------------------------------------


async def test_a_job_that_is_added_before_the_write_wins(site: Site) -> None:
    await lay(site)
    before = await everything(site)
    await work_a_round(site, before=lambda: add(site))
    assert await everything(site) == before


async def test_rows_that_are_new_before_the_write_are_left_alone(site: Site) -> None:
    """The route inserts them first, then touches the project and adds the job."""
    [first] = generating(1)
    in_a_moment = datetime.now(UTC) + timedelta(hours=1)
    await lay(site, {**first, "status": "failed", "is_current": False})

    async def asked_again() -> None:
        [second] = generating(2)
        fresh = {**second, "shot_number": 1, "version": 2, "updated_at": iso(in_a_moment)}
        await site.vidfab.supabase.insert("project_storyboards", [fresh])

    await work_a_round(site, after=asked_again)
    assert (await storyboards(site.vidfab))[1]["status"] == "generating"
    assert await step_3_status(site.vidfab) == "processing"


async def test_a_project_that_changes_before_the_write_stays(site: Site) -> None:
    await lay(site, generated(1, URL, None))

    async def asked_again() -> None:
        state = {"step_3_status": "processing"}
        await site.vidfab.supabase.update("video_agent_projects", state, id=f"eq.{PROJECT}")

    await work_a_round(site, after=asked_again)
    assert await step_3_status(site.vidfab) == "processing"
