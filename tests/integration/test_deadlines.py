"""Nobody waits longer than 12 minutes for pictures that do not come; the page is asked."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from bullmq_consumer.safety.fence import fenced
from core.deadline import PATIENCE
from core.errors import ProviderDown, ServiceError
from core.people import Cause, Thing, Why, late, sentence
from sandbox.app import Project, Shot, create_project, create_user
from sandbox.app_films import FilmPage
from sandbox.app_storyboards import StillGenerating
from sandbox.app_videos import enqueue_compose
from sandbox.gateway import Gateway
from sandbox.providers.client import IMAGES
from sandbox.providers.models import Fault, Match
from tests.support.deadlines import Clock, clock_of, make_older
from tests.support.handle import OpenFence
from tests.support.recordings import USER
from tests.support.site import Site

STORYBOARDS = "project_storyboards"
GET_ROWS = f"GET /rest/v1/{STORYBOARDS}"
OLD = timedelta(minutes=12, seconds=1)
MINUTE_S = 60.0
PATIENCE_S = PATIENCE.total_seconds()
PICTURE_LATE = late(Thing.PICTURE, "en")
FILM_LATE = late(Thing.FILM, "en")


@pytest.fixture
async def clock(site: Site) -> AsyncIterator[Clock]:
    async with clock_of(site) as clock:
        yield clock


async def project_of(site: Site, shots: int = 2) -> Project:
    supabase = site.vidfab.supabase
    texts = [Shot(number, f"SHOT-{number}") for number in range(1, shots + 1)]
    return await create_project(supabase, await create_user(supabase), texts)


async def rows_of(site: Site, project: Project, **filters: str) -> list[dict[str, Any]]:
    return await site.vidfab.supabase.rows(
        STORYBOARDS, project_id=f"eq.{project.id}", order="version,shot_number", **filters
    )


async def step_3_of(site: Site, project: Project) -> str:
    [row] = await site.vidfab.supabase.rows("video_agent_projects", id=f"eq.{project.id}")
    return row["step_3_status"]


async def bought(site: Site) -> int:
    return (await site.vidfab.providers.control.paid()).images


async def set_fields(site: Site, job_id: str, **fields: Any) -> None:
    async with Redis.from_url(site.redis.url) as redis:
        texts = {key: json.dumps(value) for key, value in fields.items()}
        await redis.hset(f"bull:{site.queue}:{job_id}", mapping=texts)


# -- jobs that wait -------------------------------------------------------------------------


async def test_three_projects_of_an_outage_are_given_up_in_time_and_asked_anew(
    site: Site, clock: Clock
) -> None:
    """The provider is down for an hour."""
    control = site.vidfab.providers.control
    await control.fail(IMAGES, status=503)
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0")
    projects = [await project_of(site) for _ in range(3)]
    pages = [clock.page(project) for project in projects]
    older = [await page.generate() for page in pages]
    for job_id in older:
        await site.app.wait_for(job_id, "delayed")
    began = clock()
    for page in pages:
        with pytest.raises(StillGenerating):
            await page.generate()
    for page in pages:
        seen = await page.watch()
        assert seen.shown == "failed"
    assert PATIENCE_S - MINUTE_S < clock() - began < PATIENCE_S + MINUTE_S

    clock.ahead_s += 48 * 60
    await control.clear_faults()
    newer = [await page.generate() for page in pages]
    for job_id in (*newer, *older):
        job = await site.app.job(job_id)
        if job is not None and job.state == "delayed":
            await site.app.promote(job_id)
    for job_id in newer:
        assert (await site.finished(job_id)).returnvalue["data"]["finalStatus"] == "completed"
    for job_id in older:
        assert (await site.finished(job_id)).state == "failed"
    assert await bought(site) == 6
    for project, page in zip(projects, pages, strict=True):
        assert await page.status() == "completed"
        assert await step_3_of(site, project) == "completed"
        old = await rows_of(site, project, version="eq.1")
        assert [row["status"] for row in old] == ["failed", "failed"]


async def _backlog(site: Site) -> None:
    """No worker comes."""


async def _paused(site: Site) -> None:
    await site.app.pause()


@pytest.mark.parametrize("wait", [_backlog, _paused])
async def test_a_job_that_waits_for_its_turn_is_given_up(
    site: Site, clock: Clock, wait: Any
) -> None:
    await wait(site)
    project = await project_of(site)
    page = clock.page(project)
    job_id = await page.generate()
    seen = await page.watch()
    assert (seen.shown, seen.pictures) == ("failed", {})
    assert PATIENCE_S <= seen.after_s < PATIENCE_S + MINUTE_S
    assert await step_3_of(site, project) == "failed"
    assert {row["error_message"] for row in await rows_of(site, project)} == {PICTURE_LATE}

    newer = await page.generate()
    if await site.app.is_paused():
        await site.app.resume()
    await site.worker()
    failed = await site.finished(job_id)
    assert (failed.state, failed.failed_reason) == ("failed", PICTURE_LATE)
    assert (await site.finished(newer)).state == "completed"
    assert await page.status() == "completed"
    assert await bought(site) == 2


async def test_a_waiting_job_without_a_user_id_is_given_up_as_its_owners(
    site: Site, clock: Clock
) -> None:
    project = await project_of(site, shots=1)
    page = clock.page(project)
    job_id = await page.generate()
    job = await site.app.job(job_id)
    assert job is not None
    data = {key: value for key, value in job.data.items() if key != "userId"}
    [row] = await rows_of(site, project)
    url = f"{site.vidfab.providers.media_url}/img/a.jpg"
    bought_one = {"1": {"url": url, "used": [], "at": time.time()}}
    kept = {"rows": {row["id"]: 1}, "bought": bought_one}
    await set_fields(site, job_id, data=data, checkpoint=kept)
    assert (await page.watch()).pictures == {1: url}


async def test_a_job_that_waits_to_fail_is_its_hooks_until_overdue_and_keeps_its_reason(
    site: Site, clock: Clock
) -> None:
    project = await project_of(site, shots=1)
    page = clock.page(project)
    job_id = await page.generate()
    failure = {"reason": "shot 1: refused", "why": ["REFUSED"]}
    rows = {row["id"]: 1 for row in await rows_of(site, project)}
    await set_fields(site, job_id, checkpoint={"rows": rows, "failure": failure})
    async with Redis.from_url(site.redis.url) as redis:
        await redis.hset(f"bull:{site.queue}:{job_id}", "defa", failure["reason"])
    await clock.look()
    assert await page.status() == "processing"
    await clock.sleep(PATIENCE_S + 1)
    [row] = await rows_of(site, project)
    refused = sentence(Why(Cause.REFUSED), Thing.PICTURE, "en")
    assert (row["status"], row["error_message"]) == ("failed", refused)


async def test_what_a_waiting_job_bought_is_a_success_and_is_stored(
    site: Site, clock: Clock
) -> None:
    project = await project_of(site)
    page = clock.page(project)
    job_id = await page.generate()
    rows = await rows_of(site, project)
    url = f"{site.vidfab.providers.media_url}/img/a.jpg"
    purchase = {"url": url, "used": [], "at": time.time()}
    numbers = {row["id"]: row["shot_number"] for row in rows}
    await set_fields(site, job_id, checkpoint={"rows": numbers, "bought": {"2": purchase}})
    seen = await page.watch()
    assert (seen.shown, seen.pictures) == ("partial", {2: url})
    assert await step_3_of(site, project) == "partial"
    await site.worker()
    assert (await site.finished(job_id)).state == "failed"
    download = f"storyboard_download_{project.id}_2_{rows[1]['id']}"
    assert (await site.end_of(download)).name == "completed"
    assert await bought(site) == 0


async def test_a_row_of_no_shot_gets_no_picture_of_a_job_that_waits(
    site: Site, clock: Clock
) -> None:
    """Shots were deleted before the job ran first: it kept 0 for the row that is none of its."""
    project = await project_of(site)
    page = clock.page(project)
    job_id = await page.generate()
    first, second = await rows_of(site, project)
    url = f"{site.vidfab.providers.media_url}/img/a.jpg"
    purchase = {"url": url, "used": [], "at": time.time()}
    numbers = {first["id"]: 0, second["id"]: 1}
    await set_fields(site, job_id, checkpoint={"rows": numbers, "bought": {"1": purchase}})
    seen = await page.watch()
    assert (seen.shown, seen.pictures) == ("partial", {2: url})
    async with Redis.from_url(site.redis.url) as redis:
        kept = await redis.hget(f"bull:{site.queue}:{job_id}", "checkpoint")
    assert json.loads(kept or "")["rows"] == numbers


async def test_a_waiting_job_that_progressed_a_moment_ago_goes_on(site: Site, clock: Clock) -> None:
    project = await project_of(site)
    page = clock.page(project)
    job_id = await page.generate()
    clock.ahead_s = PATIENCE_S + 5
    purchase = {"url": "https://a.example.com/1", "used": [], "at": clock() - 60}
    await set_fields(site, job_id, checkpoint={"bought": {"2": purchase}})
    left = await clock.look()
    assert await page.status() == "processing"
    assert timedelta(seconds=100) < left < timedelta(seconds=121)
    await clock.sleep(left.total_seconds())
    assert await page.status() == "partial"


async def test_only_looks_that_can_find_something_come(site: Site, clock: Clock) -> None:
    assert await clock.look() == PATIENCE
    await clock.page(await project_of(site)).generate()
    assert timedelta(minutes=11) < await clock.look() <= PATIENCE
    await clock.sleep(PATIENCE_S + 1)
    assert await clock.look() > timedelta(minutes=1)


async def test_two_workers_look_once(site: Site, clock: Clock) -> None:
    assert clock.deadlines is not None
    await clock.page(await project_of(site)).generate()
    await clock.look()
    left = await clock.deadlines.look()
    assert timedelta(minutes=11) < left < PATIENCE, "until something is due, nobody looks again"


async def test_rows_that_cannot_be_read_keep_no_composition_from_its_end(
    site: Site,
) -> None:
    project, _ = await asked_for_a_film(site)
    async with (
        Gateway(site.vidfab.supabase) as gateway,
        clock_of(site, SUPABASE_URL=gateway.url) as clock,
    ):
        gateway.faults.answers[GET_ROWS] = [400]
        clock.ahead_s = PATIENCE_S + 5
        assert await clock.look() == timedelta(seconds=20)
    assert (await film_of(site, project))["step_6_status"] == "failed"


# -- rows without a job ---------------------------------------------------------------------


@pytest.mark.parametrize("is_current", [True, False])
async def test_rows_whose_job_is_gone_fail_those_of_older_versions_too(
    site: Site, clock: Clock, is_current: bool
) -> None:
    project = await project_of(site)
    page = clock.page(project)
    await site.app.remove(await page.generate())
    await site.vidfab.supabase.update(
        STORYBOARDS, {"is_current": is_current}, project_id=f"eq.{project.id}"
    )
    await clock.sleep(PATIENCE_S - 30)
    with pytest.raises(StillGenerating):
        await page.generate()
    await clock.sleep(45)
    assert {row["status"] for row in await rows_of(site, project)} == {"failed"}
    await page.generate()


@pytest.mark.parametrize("column", ["created_at", "is_current"])
async def test_a_row_with_a_null_fails_and_stops_no_other(
    site: Site, clock: Clock, column: str
) -> None:
    project = await project_of(site, shots=1)
    page = clock.page(project)
    await site.app.remove(await page.generate())
    await site.vidfab.supabase.update(STORYBOARDS, {column: None}, project_id=f"eq.{project.id}")
    clock.ahead_s = PATIENCE_S + 5
    await clock.look()
    assert {row["status"] for row in await rows_of(site, project)} == {"failed"}


async def test_a_reset_and_a_new_request_are_not_given_up_with_the_old_job(
    site: Site, clock: Clock
) -> None:
    project = await project_of(site)
    page = clock.page(project)
    older = await page.generate()
    await make_older(site, older, timedelta(minutes=6))
    await page.reset()
    await page.generate()
    await clock.sleep(PATIENCE_S / 2 + 10)
    job = await site.app.job(older)
    assert job is not None
    assert await page.status() == "processing"
    await clock.sleep(PATIENCE_S / 2)
    assert await page.status() == "failed"


async def test_a_job_of_someone_elses_project_gives_nothing_up(site: Site, clock: Clock) -> None:
    project, other = await project_of(site), await project_of(site)
    page = clock.page(project)
    await page.generate()
    data = {"userId": other.user_id, "videoId": project.id, "projectId": project.id, "shots": []}
    job_id = f"storyboard_{project.id}_1"
    await site.app.add("storyboard_generation", data, {"jobId": job_id, "priority": 2})
    await make_older(site, job_id, timedelta(hours=1))
    await clock.look()
    assert await page.status() == "processing"


# -- jobs that run --------------------------------------------------------------------------


async def test_a_job_that_never_ran_takes_no_rows_of_a_newer_request(
    site: Site, clock: Clock
) -> None:
    """The rows were reset and asked for anew while it waited for its first turn."""
    project = await project_of(site)
    page = clock.page(project)
    older = await page.generate(attempts=1)
    await make_older(site, older, timedelta(minutes=6))
    await page.reset()
    newer = await page.generate()
    await site.worker(QUEUE_CONCURRENCY="1")
    assert (await site.finished(older)).state == "failed"
    assert (await site.finished(newer)).state == "completed"
    assert await bought(site) == 2
    assert await page.status() == "completed"
    assert await step_3_of(site, project) == "completed"


async def test_a_job_whose_turn_comes_too_late_buys_nothing(site: Site) -> None:
    project = await project_of(site)
    async with clock_of(site) as clock:
        job_id = await clock.page(project).generate()
    await make_older(site, job_id, OLD)
    await site.worker()
    job = await site.finished(job_id)
    assert (job.state, job.attempts_made) == ("failed", 1)
    assert {row["status"] for row in await rows_of(site, project)} == {"failed"}
    assert await step_3_of(site, project) == "failed"
    assert await site.vidfab.providers.control.requests(IMAGES) == []


async def test_a_job_whose_rows_were_reset_leaves_the_step_to_the_newer_one(site: Site) -> None:
    project = await project_of(site, shots=1)
    async with clock_of(site) as clock:
        page = clock.page(project)
        job_id = await page.generate()
        rows = await rows_of(site, project)
        await set_fields(site, job_id, checkpoint={"rows": {row["id"]: 1 for row in rows}})
        await page.reset()
    await make_older(site, job_id, OLD)
    await site.worker()
    assert (await site.finished(job_id)).state == "failed"
    assert await step_3_of(site, project) == "pending"


async def test_a_row_of_a_shot_that_the_job_does_not_draw_is_none_of_its_own(site: Site) -> None:
    """The row of its only shot is gone, that of another one is left."""
    project = await project_of(site, shots=2)
    async with clock_of(site) as clock:
        job_id = await clock.page(project).generate()
    first, second = await rows_of(site, project)
    job = await site.app.job(job_id)
    assert job is not None
    data = {**job.data, "shots": job.data["shots"][:1]}
    await set_fields(
        site, job_id, data=data, checkpoint={"rows": {first["id"]: 1, second["id"]: 2}}
    )
    supabase = site.vidfab.supabase
    await supabase.request("DELETE", f"/rest/v1/{STORYBOARDS}", params={"id": f"eq.{first['id']}"})
    await supabase.update(
        "video_agent_projects", {"step_3_status": "pending"}, id=f"eq.{project.id}"
    )
    await site.worker()
    assert (await site.finished(job_id)).state == "failed"
    assert await step_3_of(site, project) == "pending"


async def test_a_running_job_gives_up_what_is_not_there_and_keeps_what_comes(site: Site) -> None:
    """Its provider hangs; the pictures that are being made then are still taken."""
    control = site.vidfab.providers.control
    await control.add(Fault(match=Match(path=IMAGES), delay_s=30))
    project = await project_of(site, shots=3)
    await site.worker(STORYBOARD_CONCURRENCY="2")
    await site.app.pause()
    async with clock_of(site) as clock:
        page = clock.page(project)
        job_id = await page.generate()
        await make_older(site, job_id, PATIENCE - timedelta(seconds=15))
        await site.app.resume()
        await site.wait_for_purchase(2)
        async with asyncio.timeout(60):
            while await page.status() == "processing":  # noqa: ASYNC110 (another process)
                await asyncio.sleep(0.2)
        assert await page.status() in {"failed", "partial"}
        job = await site.finished(job_id)
    assert job.returnvalue["data"] == {
        "generated": True,
        "projectId": project.id,
        "total": 3,
        "completed": 2,
        "failed": 1,
        "finalStatus": "partial",
    }
    assert await bought(site) == 2
    assert await step_3_of(site, project) == "partial"


async def test_a_job_that_makes_progress_goes_on(site: Site) -> None:
    """It is older than 12 minutes, and its latest picture came two minutes ago."""
    project = await project_of(site, shots=12)
    async with clock_of(site) as clock:
        job_id = await clock.page(project).generate()
    await make_older(site, job_id, timedelta(minutes=20))
    url = f"{site.vidfab.providers.media_url}/img/a.jpg"
    purchase = {"url": url, "used": [], "at": time.time() - 120}
    await set_fields(site, job_id, checkpoint={"bought": {"1": purchase}})
    await site.worker()
    job = await site.finished(job_id)
    assert job.returnvalue["data"]["finalStatus"] == "completed"
    assert await bought(site) == 11


async def test_nobody_waits_beyond_the_deadline_for_a_provider_that_asks_for_it(
    site: Site,
) -> None:
    control = site.vidfab.providers.control
    await control.fail(IMAGES, status=429, headers={"retry-after": "25"})
    project = await project_of(site, shots=1)
    async with clock_of(site) as clock:
        job_id = await clock.page(project).generate(backoff_ms=600_000)
    await make_older(site, job_id, PATIENCE - timedelta(seconds=20))
    await site.worker()
    # Not asked a second time, which would be after the deadline.
    await site.app.wait_for(job_id, "delayed")
    assert len(await control.requests(IMAGES)) == 1


# -- compositions ---------------------------------------------------------------------------


async def film_of(site: Site, project: Project) -> dict[str, Any]:
    [row] = await site.vidfab.supabase.rows("video_agent_projects", id=f"eq.{project.id}")
    return row


async def asked_for_a_film(site: Site) -> tuple[Project, str]:
    project = await project_of(site)
    states = {"step_4_status": "completed", "step_6_status": "processing", "status": "processing"}
    await site.vidfab.supabase.update("video_agent_projects", states, id=f"eq.{project.id}")
    return project, await enqueue_compose(site.app, project)


async def test_a_composition_that_waits_is_given_up_as_the_app_reads_it(
    site: Site, clock: Clock
) -> None:
    project, job_id = await asked_for_a_film(site)
    await clock.sleep(PATIENCE_S - 30)
    assert (await film_of(site, project))["step_6_status"] == "processing"
    await clock.sleep(45)
    film = await film_of(site, project)
    assert (film["status"], film["step_6_status"]) == ("failed", "failed")
    job = await site.app.job(job_id)
    assert job is not None
    assert (job.finished_on, job.failed_reason) == (None, FILM_LATE)

    clock.ahead_s = 0  # the new job is as young as the machine's clock says
    again = await enqueue_compose(site.app, project)  # Try Again removes the one that waits
    await clock.look()
    job = await site.app.job(again)
    assert job is not None
    assert job.failed_reason is None


async def test_a_composition_that_was_rendering_has_three_minutes_more(
    site: Site, clock: Clock
) -> None:
    project, job_id = await asked_for_a_film(site)
    clock.ahead_s = PATIENCE_S + 5
    started_ms = round((clock() - 600) * 1000)
    await set_fields(site, job_id, progress={"percent": 55, "message": ""}, processedOn=started_ms)
    assert await clock.look() > timedelta(seconds=170)
    assert (await film_of(site, project))["step_6_status"] == "processing"
    await clock.sleep(181)
    assert (await film_of(site, project))["step_6_status"] == "failed"


async def test_a_composition_retried_by_hand_has_three_minutes_more(
    site: Site, clock: Clock
) -> None:
    project, job_id = await asked_for_a_film(site)
    clock.ahead_s = PATIENCE_S + 5
    await set_fields(site, job_id, checkpoint={"progressed_at": None})
    assert await clock.look() > timedelta(seconds=170)
    assert (await film_of(site, project))["step_6_status"] == "processing"
    await clock.sleep(181)
    assert (await film_of(site, project))["step_6_status"] == "failed"


async def test_a_composition_that_ran_at_the_look_before_has_three_minutes_more(
    site: Site, clock: Clock
) -> None:
    project, job_id = await asked_for_a_film(site)
    started_ms = round((clock() + 60) * 1000)
    await set_fields(site, job_id, progress={"percent": 55, "message": ""}, processedOn=started_ms)
    waiting, active = (f"bull:{site.queue}:{place}" for place in ("prioritized", "active"))
    await clock.redis.zrem(waiting, job_id)
    await clock.redis.lpush(active, job_id)
    await clock.look()
    await clock.redis.lrem(active, 1, job_id)
    await clock.redis.zadd(waiting, {job_id: 1})
    clock.ahead_s = PATIENCE_S + 5
    assert await clock.look() > timedelta(seconds=170)
    assert (await film_of(site, project))["step_6_status"] == "processing"


async def test_a_composition_that_was_shown_as_failed_stays_so_while_its_hook_waits(
    site: Site, clock: Clock
) -> None:
    """Its turn comes in the outage of the database in which it was given up."""
    project, job_id = await asked_for_a_film(site)
    page = FilmPage(site.app, site.vidfab.supabase, project.id, project.user_id, now=clock)
    clock.ahead_s = PATIENCE_S + 5
    await clock.look()
    async with Gateway(site.vidfab.supabase) as supabase:
        supabase.faults.answers["PATCH /rest/v1/video_agent_projects"] = [503] * 1000
        await site.worker(SUPABASE_URL=supabase.url)
        await site.app.wait_for(job_id, "delayed")
        assert (await page.status()).state == "failed"


async def test_a_composition_that_waits_to_fail_is_left_to_its_hook_until_it_is_overdue(
    site: Site, clock: Clock
) -> None:
    project, job_id = await asked_for_a_film(site)
    page = FilmPage(site.app, site.vidfab.supabase, project.id, project.user_id, now=clock)
    key = f"bull:{site.queue}:{job_id}"
    await clock.redis.hset(key, "defa", "Supabase could not be reached")
    await clock.look()
    assert (await film_of(site, project))["step_6_status"] == "processing"
    assert (await page.status()).state == "processing"
    clock.ahead_s = PATIENCE_S + 5
    await clock.look()
    assert (await film_of(site, project))["step_6_status"] == "failed"
    assert (await page.status()).state == "failed"
    kept = await clock.redis.hmget(key, "failedReason", "defa")
    assert kept == [FILM_LATE, "Supabase could not be reached"]


async def read_as_a_job(clock: Clock, number: int) -> None:
    with fenced(OpenFence(f"job-{number}")), pytest.raises((ServiceError, ProviderDown)):
        await clock.services.projects.owners([USER])


async def test_all_compositions_are_shown_as_given_up_while_the_database_is_away(
    site: Site, clock: Clock
) -> None:
    """The worker holds the database for down, and asks it nothing."""
    films = [await asked_for_a_film(site) for _ in range(3)]
    async with (
        Gateway(site.vidfab.supabase) as supabase,
        clock_of(site, SUPABASE_URL=supabase.url) as behind,
    ):
        supabase.faults.answers["GET /rest/v1/video_agent_projects"] = [503] * 1000
        await asyncio.gather(*(read_as_a_job(behind, number) for number in range(5)))
        behind.ahead_s = PATIENCE_S + 5
        await behind.look()
    for project, _ in films:
        page = FilmPage(site.app, site.vidfab.supabase, project.id, project.user_id)
        assert (await page.status()).state == "failed"
    clock.ahead_s = PATIENCE_S + 30
    await clock.look()
    assert {(await film_of(site, project))["step_6_status"] for project, _ in films} == {"failed"}
