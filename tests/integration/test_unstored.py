"""What was paid for is stored while its address at the provider lives, whatever befell its job."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from redis.asyncio import Redis

from core.alert import Alert
from runtime.reconciler import unstored
from sandbox.app import start_consumer
from sandbox.processes import Process
from tests.support.clips import clips, download_id
from tests.support.recordings import PROJECT, USER, row_id
from tests.support.site import Site
from tests.support.storyboards import lay_project, storyboards
from tests.support.unstored import generated_clip, picture, picture_job, project_without_owner
from tests.support.watch import logged, reconciler, work_a_round

Rows = Sequence[dict[str, Any]]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ALIVE = [MINUTE, 10 * MINUTE, HOUR, 12 * HOUR, 20 * HOUR, 22.5 * HOUR]
DEAD = [23 * HOUR, 24 * HOUR, 25 * HOUR]
ROUND = timedelta(minutes=5)


@pytest.fixture
async def redis(site: Site) -> AsyncIterator[Redis]:
    async with Redis.from_url(site.vidfab.redis.url, decode_responses=True) as client:
        yield client


async def lay(site: Site, *, pictures: Rows = (), movies: Rows = ()) -> None:
    await lay_project(site.vidfab, pictures)
    done = {"status": "draft", "step_3_status": "completed", "step_4_status": "completed"}
    await site.vidfab.supabase.update("video_agent_projects", done, id=f"eq.{PROJECT}")
    if movies:
        await site.vidfab.supabase.insert("project_video_clips", list(movies))


async def rounds(site: Site, count: int = 1, *, after: timedelta = timedelta(0)) -> list[Alert]:
    """So many rounds of the fleet, one each five minutes; returns their alerts."""
    alerts: list[Alert] = []
    clock = [datetime.now(UTC) + after]
    async with (
        Redis.from_url(site.vidfab.redis.url) as redis,
        reconciler(site, now=lambda: clock[0], notify=alerts.append) as dog,
    ):
        for _ in range(count):
            await redis.delete(f"bull:{site.queue}:vidfab:watchdog")
            assert await dog.round()
            clock[0] += ROUND
    return alerts


async def waiting(redis: Redis, site: Site) -> set[str]:
    return set(await redis.zrange(f"bull:{site.queue}:prioritized", 0, -1))


# -- by age ---------------------------------------------------------------------------------


async def test_whatever_lives_gets_its_job_and_what_is_dead_none(site: Site, redis: Redis) -> None:
    ages = [*ALIVE, *DEAD]
    states = [None, "pending", "failed"]
    await lay(
        site,
        pictures=[
            picture(site.vidfab, n, age, states[n % 3]) for n, age in enumerate(ages, 1)
        ],
        movies=[
            generated_clip(site.vidfab, n, age, states[n % 3]) for n, age in enumerate(ages, 1)
        ],
    )  # fmt: skip
    with logged() as log:
        await rounds(site)
    alive = range(1, len(ALIVE) + 1)
    expected = {picture_job(n) for n in alive} | {download_id(n, f"t{n}") for n in alive}
    assert await waiting(redis, site) == expected
    [line] = log.about("[HealthCheck]")
    assert line.startswith("INFO [HealthCheck] 12 downloads added again, ")


async def test_clips_of_projects_that_are_gone_take_no_places(
    site: Site, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unstored, "_MOST_JOBS", 1)
    gone = {"project_id": await project_without_owner(site.vidfab, monkeypatch)}
    older = {**generated_clip(site.vidfab, 1, 2 * HOUR), **gone}
    await lay(site, movies=[older, generated_clip(site.vidfab, 2, HOUR)])
    await rounds(site, 2)
    assert await waiting(redis, site) == {download_id(2, "t2")}


async def test_a_clip_without_a_creation_date_stops_no_other(site: Site, redis: Redis) -> None:
    movies = [generated_clip(site.vidfab, n, HOUR) for n in (1, 2)]
    await lay(site, movies=[{**movies[0], "created_at": None}, movies[1]])
    await rounds(site)
    assert await waiting(redis, site) == {download_id(n, f"t{n}") for n in (1, 2)}


async def test_the_jobs_are_those_of_the_contract(site: Site) -> None:
    await lay(
        site,
        pictures=[picture(site.vidfab, 1, HOUR)],
        movies=[generated_clip(site.vidfab, 1, HOUR)],
    )
    await rounds(site)
    job = await site.app.job(picture_job(1))
    assert job is not None
    assert job.name == "storyboard_download"
    assert {name: job.opts[name] for name in ("priority", "attempts", "removeOnComplete")} == {
        "priority": 4, "attempts": 3, "removeOnComplete": True,
    }  # fmt: skip
    about = {"userId": USER, "videoId": PROJECT, "projectId": PROJECT, "shotNumber": 1}
    url = f"{site.vidfab.providers.media_url}/img/1.jpg"
    own = {"jobId": picture_job(1), "storyboardId": row_id(1), "externalUrl": url}
    assert {k: v for k, v in job.data.items() if k != "createdAt"} == {**about, **own}
    job = await site.app.job(download_id(1, "t1"))
    assert job is not None
    assert (job.opts["priority"], job.opts["attempts"]) == (3, 6)
    assert job.opts["backoff"] == {"type": "exponential", "delay": 10_000}
    own = {
        "jobId": download_id(1, "t1"),
        "externalUrl": f"{site.vidfab.providers.media_url}/clip/1.mp4",
    }
    assert {k: v for k, v in job.data.items() if k != "createdAt"} == {**about, **own}


async def test_a_worker_that_starts_stores_what_was_left(site: Site) -> None:
    await lay(
        site,
        pictures=[picture(site.vidfab, 1, MINUTE, "failed")],
        movies=[generated_clip(site.vidfab, 1, 22 * HOUR, None)],
    )
    worker = await site.worker()
    assert (await site.ended(picture_job(1))).state == "completed"
    assert (await site.ended(download_id(1, "t1"))).state == "completed"
    await site.wait_for_line(worker, "[HealthCheck] 2 downloads added again")
    stored = [(await storyboards(site.vidfab))[1], (await clips(site.vidfab))[1]]
    assert [row["storage_status"] for row in stored] == ["completed"] * 2


async def test_a_row_that_was_written_just_now_is_its_own_jobs(site: Site, redis: Redis) -> None:
    await lay(
        site,
        pictures=[picture(site.vidfab, 1, timedelta(0))],
        movies=[generated_clip(site.vidfab, 1, timedelta(0))],
    )
    await rounds(site)
    assert await waiting(redis, site) == set()


async def test_what_is_stored_or_has_no_address_is_left_alone(site: Site, redis: Redis) -> None:
    nowhere = {"image_url": None, "image_url_external": None}
    await lay(
        site,
        pictures=[
            picture(site.vidfab, 1, HOUR, "completed"),
            {**picture(site.vidfab, 2, HOUR), **nowhere},
            {**picture(site.vidfab, 3, HOUR), "status": "failed"},
        ],
        movies=[
            generated_clip(site.vidfab, 1, HOUR, "completed"),
            {**generated_clip(site.vidfab, 2, HOUR), "video_url_external": None},
            {**generated_clip(site.vidfab, 3, HOUR), "status": "generating"},
        ],
    )
    await rounds(site)
    open_jobs = {job for job in await waiting(redis, site) if "download" in job}
    assert open_jobs == set()


async def test_a_renumbered_clip_is_as_old_as_its_order(site: Site, redis: Redis) -> None:
    """Renumbering its shot moves `updated_at`; its Seedance id has the date of the order."""
    hours = {1: 30, 2: 20, 3: 2}
    tasks = {
        n: f"cgt-{datetime.now(UTC) - age * HOUR:%Y%m%d%H%M%S}-abcde" for n, age in hours.items()
    }
    await lay(
        site,
        movies=[
            {**generated_clip(site.vidfab, n, HOUR), "seedance_task_id": task}
            for n, task in tasks.items()
        ],
    )
    await rounds(site)
    assert await waiting(redis, site) == {download_id(n, tasks[n]) for n in (2, 3)}


# -- beside other jobs ----------------------------------------------------------------------


async def test_an_open_job_is_enough_also_under_an_older_number(site: Site, redis: Redis) -> None:
    """A deleted shot has lowered the row's number since."""
    await lay(
        site,
        pictures=[picture(site.vidfab, 1, HOUR)],
        movies=[generated_clip(site.vidfab, 1, HOUR)],
    )
    ids = {f"storyboard_download_{PROJECT}_2_{row_id(1)}", download_id(2, "t1")}
    for job_id in ids:
        await site.app.add("anything", {}, {"jobId": job_id, "priority": 4})
    await rounds(site)
    assert await waiting(redis, site) == ids


async def test_a_finished_job_of_the_same_id_is_replaced(site: Site, redis: Redis) -> None:
    await lay(site, pictures=[picture(site.vidfab, 1, HOUR, "failed")])
    await site.app.add("unknown", {}, {"jobId": picture_job(1), "priority": 4})
    node = await start_consumer(site.vidfab.redis.url, site.queue, site.folder)
    assert (await site.finished(picture_job(1))).state == "failed"
    await node.stop()
    await rounds(site)
    assert await waiting(redis, site) == {picture_job(1)}
    assert await redis.zcard(f"bull:{site.queue}:failed") == 0


# -- again and again ------------------------------------------------------------------------


async def test_one_that_cannot_be_stored_is_tried_at_growing_distances(
    site: Site, redis: Redis
) -> None:
    """Each try fails and touches the row, so that by its own column it would stay young."""
    await lay(site, movies=[generated_clip(site.vidfab, 1, MINUTE)])
    job_id, tries = download_id(1, "t1"), list[int]()

    async def fail_the_job(minutes: int) -> None:
        if await redis.zrem(f"bull:{site.queue}:prioritized", job_id):
            await redis.delete(f"bull:{site.queue}:{job_id}")
            tries.append(minutes)
            failed = {"storage_status": "failed"}
            await site.vidfab.supabase.update("project_video_clips", failed, shot_number="eq.1")

    first = datetime.now(UTC)
    clock = [first]
    async with reconciler(site, now=lambda: clock[0]) as dog:
        for minutes in (*range(0, 270, 10), *range(270, 25 * 60, 60)):
            clock[0] = first + timedelta(minutes=minutes)
            await redis.delete(f"bull:{site.queue}:vidfab:watchdog")
            assert await dog.round()
            await fail_the_job(minutes)
    assert tries[:6] == [0, 10, 30, 70, 150, 270]
    assert {after - before for before, after in pairwise(tries[5:])} == {120}
    assert 20 * 60 < tries[-1] < 23 * 60


async def test_a_clip_that_is_generated_anew_begins_anew(site: Site, redis: Redis) -> None:
    await lay(site, movies=[generated_clip(site.vidfab, 1, MINUTE)])
    await rounds(site)
    await redis.delete(f"bull:{site.queue}:prioritized")
    url = f"{site.vidfab.providers.media_url}/clip/again.mp4"
    anew = {"seedance_task_id": "t1b", "video_url_external": url}
    await site.vidfab.supabase.update("project_video_clips", anew, shot_number="eq.1")
    await rounds(site, after=ROUND)
    assert await waiting(redis, site) == {download_id(1, "t1b")}


# -- alerts ---------------------------------------------------------------------------------


async def test_one_alert_when_three_hours_are_left(site: Site) -> None:
    await lay(
        site,
        pictures=[
            picture(site.vidfab, 1, 20.8 * HOUR),
            picture(site.vidfab, 2, 21.1 * HOUR),
            picture(site.vidfab, 3, 23.5 * HOUR),
            picture(site.vidfab, 4, 24.1 * HOUR),
        ],
        movies=[generated_clip(site.vidfab, 1, 22 * HOUR), generated_clip(site.vidfab, 2, HOUR)],
    )
    alerts = await rounds(site, 3)
    [alert] = [one for one in alerts if one.kind == "files soon lost"]
    assert "within 3 hours: 2 pictures and 1 clips, the first of project" in alert.text
    assert alert.level == "error"
    # The first picture's turn comes, and nobody else's again.
    alerts = await rounds(site, 3, after=timedelta(minutes=13))
    [alert] = [one for one in alerts if one.kind == "files soon lost"]
    assert "within 3 hours: 1 pictures, the first of project" in alert.text


# -- many -----------------------------------------------------------------------------------


async def test_a_round_takes_the_oldest_of_very_many(site: Site, redis: Redis) -> None:
    """More than a page and more than a round's jobs; the next rounds take the others."""
    many = [
        {
            **picture(site.vidfab, n, HOUR + timedelta(seconds=n)),
            "id": f"44444444-4444-4444-8444-{n:012}",
        }
        for n in range(1, 701)
    ]
    await lay(site, pictures=many[:100])
    for start in range(100, len(many), 100):
        await site.vidfab.supabase.insert("project_storyboards", many[start : start + 100])
    await rounds(site)
    ids = {job.rpartition("_")[2] for job in await waiting(redis, site)}
    assert ids == {row["id"] for row in many[-200:]}
    await rounds(site, 3, after=ROUND)
    assert len(await waiting(redis, site)) == 700


async def test_a_supabase_that_is_down_costs_a_round(site: Site, redis: Redis) -> None:
    await lay(site, pictures=[picture(site.vidfab, 1, HOUR)])
    refusing = {"SUPABASE_SERVICE_KEY": "sb_secret_wrong"}
    with logged() as log:
        await work_a_round(site, variables=refusing)
    assert log.about("WARNING The reconciler tries again in 0:05:00")
    assert "failed" in log.about("[HealthCheck]")[0]
    assert await waiting(redis, site) == set()
    await rounds(site)
    assert await waiting(redis, site) == {picture_job(1)}


# -- the fleet ------------------------------------------------------------------------------


async def test_of_two_workers_one_works_the_round(site: Site) -> None:
    await lay(site, pictures=[picture(site.vidfab, 1, HOUR)])
    workers: list[Process] = [await site.worker(), await site.worker()]
    assert (await site.ended(picture_job(1))).state == "completed"
    for worker in workers:
        await worker.stop()  # which writes what is left of its log
    lines = [line for one in workers for line in one.log.read_text("utf-8").splitlines()]
    assert sum("[HealthCheck]" in line for line in lines) == 1
