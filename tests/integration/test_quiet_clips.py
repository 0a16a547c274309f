"""Clips arrive while the browser is closed; what was never ordered ends; what was replaced goes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bullmq_consumer.engine.adding import Adder
from core.alert import Alert
from core.paths import clip_video
from core.people import Cause, Thing, Why, sentence
from runtime.reconciler import quiet_clips
from sandbox.providers.models import Operation
from sandbox.vidfab import VidFab
from services.supabase import clip_upkeep
from tests.support.clips import SYNC, clip, clips, download_id, lay_clips, step_4_status, waited
from tests.support.recordings import PROJECT, USER
from tests.support.site import Site
from tests.support.unstored import aged, generated_clip, project_without_owner
from tests.support.watch import work_a_round

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CLIP = clip(1)["id"]
FOLDER = f"videos/{USER}/video-agent/{PROJECT}/clips"
UNORDERED = {"seedance_task_id": None}


async def a_round(site: Site, later: timedelta = timedelta(0)) -> list[Alert]:
    alerts: list[Alert] = []
    moment = datetime.now(UTC) + later
    await work_a_round(site, now=lambda: moment, notify=alerts.append)
    return alerts


# -- the browser is closed ------------------------------------------------------------------


async def test_a_clip_arrives_though_the_browser_is_closed(site: Site) -> None:
    await site.vidfab.providers.control.register("tasks", "t1", Operation(after_s=0))
    await lay_clips(site.vidfab, aged(clip(1), 11 * MINUTE))
    await site.worker()
    assert (await site.ended(SYNC)).state == "completed"
    assert (await site.ended(download_id(1, "t1"))).state == "completed"
    row = (await clips(site.vidfab))[1]
    assert (row["status"], row["storage_status"]) == ("success", "completed")
    assert await step_4_status(site.vidfab) == "completed"


async def test_a_clip_that_somebody_looks_at_is_left_to_the_app(site: Site) -> None:
    await lay_clips(site.vidfab, aged(clip(1), 9 * MINUTE))
    await a_round(site)
    assert await site.app.job(SYNC) is None


async def test_a_step_left_open_behind_ended_clips_is_completed(site: Site) -> None:
    """The database was away at the last write of its sync."""
    stored = {**generated_clip(site.vidfab, 1, HOUR), "storage_status": "completed"}
    await lay_clips(site.vidfab, stored)
    await a_round(site, later=19 * MINUTE)
    assert await site.app.job(SYNC) is None
    await a_round(site, later=21 * MINUTE)
    await site.worker()
    assert (await site.ended(SYNC)).state == "completed"
    assert await step_4_status(site.vidfab) == "completed"


async def test_the_job_is_that_of_the_app(site: Site) -> None:
    await lay_clips(site.vidfab, aged(clip(1), 11 * MINUTE))
    await a_round(site)
    job = await site.app.job(SYNC)
    assert job is not None
    assert (job.name, job.opts["priority"], job.opts["attempts"]) == ("va_sync_video_status", 3, 3)
    assert job.opts["backoff"] == {"type": "exponential", "delay": 5000}
    expected = {"jobId": SYNC, "userId": USER, "videoId": PROJECT, "projectId": PROJECT}
    assert job.data.items() >= expected.items()


async def test_a_clip_that_takes_long_is_asked_about_less_often(site: Site) -> None:
    await lay_clips(site.vidfab, aged(clip(1), 2 * HOUR))
    node_asks = 0
    for later in (0, 5, 10, 15):
        await a_round(site, later * MINUTE)
        node_asks = len(waited(site, SYNC))
    assert node_asks <= 1  # the pause is a sixth of two hours


async def test_what_could_not_be_added_is_added_by_the_next_round(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lay_clips(site.vidfab, aged(clip(1), 11 * MINUTE))

    async def fail(*_: Any) -> None:
        raise RedisError("away")

    with monkeypatch.context() as patched:
        patched.setattr(Adder, "add", fail)
        await a_round(site)
    assert await site.app.job(SYNC) is None
    await a_round(site)
    assert await site.app.job(SYNC) is not None


async def test_projects_that_are_gone_take_no_places(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet_clips, "_MOST_JOBS", 1)
    gone = {"project_id": await project_without_owner(site.vidfab, monkeypatch)}
    await lay_clips(site.vidfab, aged(clip(1), 30 * MINUTE), aged({**clip(2), **gone}, 11 * MINUTE))
    await a_round(site)
    assert await site.app.job(SYNC) is not None


# -- never ordered --------------------------------------------------------------------------


async def test_a_clip_that_was_never_ordered_fails(site: Site) -> None:
    empty = {"seedance_task_id": "", "video_request_id": ""}
    await lay_clips(
        site.vidfab,
        aged(clip(1, **UNORDERED), 21 * MINUTE),
        aged(clip(2, **UNORDERED), 19 * MINUTE),
        aged(clip(3), 21 * MINUTE),
        aged(clip(4, **empty), 21 * MINUTE),
        aged(clip(5, status="success", **UNORDERED), 21 * MINUTE),
    )
    [alert] = await a_round(site)
    rows = await clips(site.vidfab)
    assert [rows[n]["status"] for n in range(1, 6)] == [
        "failed", "generating", "generating", "failed", "success",
    ]  # fmt: skip
    assert {rows[n]["error_message"] for n in (1, 4)} == {
        sentence(Why(Cause.NOT_BEGUN), Thing.CLIP, "en")
    }
    assert alert.level == "warning"
    assert alert.text.startswith("🩹 Reconciler: 2 clips were 'generating'")


async def test_step_4_ends_when_the_last_open_clip_was_never_ordered(site: Site) -> None:
    stored = generated_clip(site.vidfab, 2, HOUR, "completed")
    await lay_clips(site.vidfab, aged(clip(1, **UNORDERED), 21 * MINUTE), stored)
    await site.worker()
    assert (await site.ended(SYNC)).state == "completed"
    assert await step_4_status(site.vidfab) == "completed"


# -- superseded -----------------------------------------------------------------------------


async def put(vidfab: VidFab, path: str) -> str:
    place = f"/storage/v1/object/user-videos/{path}"
    await vidfab.supabase.request(
        "POST", place, content=b"x", headers={"content-type": "video/mp4"}
    )
    return path


async def names(vidfab: VidFab) -> set[str]:
    place = "/storage/v1/object/list/user-videos"
    found = await vidfab.supabase.request("POST", place, json={"prefix": f"{FOLDER}/"})
    # Supabase names them within the folder, Supabase Lite by their whole paths.
    return {f"{FOLDER}/{one['name'].rpartition('/')[2]}" for one in found}


def path_of(generation: str, clip_id: str = CLIP, number: int = 1) -> str:
    return clip_video(USER, PROJECT, number, clip_id, generation)


def stored(vidfab: VidFab, age: timedelta, **columns: Any) -> dict[str, Any]:
    row = generated_clip(vidfab, 1, age, "completed")
    url = f"{vidfab.supabase.url}/storage/v1/object/public/user-videos/{path_of('t1')}"
    return {**row, "storage_path": path_of("t1"), "cdn_url": url, **columns}


@pytest.mark.parametrize(("age", "stays"), [(23 * HOUR, True), (25 * HOUR, False)])
async def test_an_older_object_goes_a_day_after_it_was_superseded(
    site: Site, age: timedelta, stays: bool
) -> None:
    older = await put(site.vidfab, path_of("t0"))
    current = await put(site.vidfab, path_of("t1"))
    renumbered = await put(site.vidfab, path_of("t-1", number=2))
    await lay_clips(site.vidfab, stored(site.vidfab, age))
    await a_round(site)
    assert await names(site.vidfab) == {current} | ({older, renumbered} if stays else set[str]())


async def test_what_a_row_points_to_stays_and_so_does_what_no_row_explains(site: Site) -> None:
    vidfab = site.vidfab
    gone = "44444444-4444-4444-8444-000001999999"
    kept = {
        await put(vidfab, path_of("t1")),
        await put(vidfab, path_of("by path")),
        await put(vidfab, path_of("by url")),
        await put(vidfab, path_of("of a row that is gone", gone)),
        await put(vidfab, f"{FOLDER}/shot-1.mp4"),
    }
    await put(vidfab, path_of("t0"))
    public = f"{vidfab.supabase.url}/storage/v1/object/public/user-videos/{path_of('by url')}"
    await lay_clips(
        vidfab,
        stored(vidfab, 25 * HOUR),
        aged(clip(2, status="success", storage_path=path_of("by path"), cdn_url=None), HOUR),
        aged(clip(3, status="success", storage_path=None, cdn_url=public), HOUR),
    )
    await a_round(site)
    assert await names(vidfab) == kept


async def test_a_clip_that_is_generated_again_keeps_what_it_shows(site: Site) -> None:
    kept = {await put(site.vidfab, path_of("t0")), await put(site.vidfab, path_of("t1"))}
    row = stored(site.vidfab, 25 * HOUR, seedance_task_id="t2", status="generating")
    await lay_clips(site.vidfab, row)
    await a_round(site)
    assert await names(site.vidfab) == kept


async def two_older_objects(site: Site) -> tuple[str, list[str]]:
    """Objects of two clips that were written at the same time; returns it and the objects."""
    first = stored(site.vidfab, 25 * HOUR)
    second = {"id": clip(2)["id"], "shot_number": 2, "seedance_task_id": "t2"}
    rows = [first, {**first, **second, "storage_path": path_of("t2", second["id"], 2)}]
    older = [await put(site.vidfab, path_of("t0", row["id"])) for row in rows]
    await lay_clips(site.vidfab, *rows)
    return rows[0]["updated_at"], older


async def test_clips_that_were_stored_at_the_same_time_are_all_looked_at(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, older = await two_older_objects(site)
    monkeypatch.setattr(clip_upkeep, "PAGE", 1)
    for left in (older[1:], []):
        await a_round(site)
        assert await names(site.vidfab) == set(left)


async def test_the_mark_of_an_older_worker_is_a_time_alone(site: Site) -> None:
    at, _ = await two_older_objects(site)
    async with Redis.from_url(site.vidfab.redis.url) as redis:
        await redis.set(f"bull:{site.queue}:vidfab:superseded", at)
    await a_round(site)
    assert await names(site.vidfab) == set()
