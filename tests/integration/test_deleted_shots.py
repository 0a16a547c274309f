"""Shots are deleted while their jobs run: each row keeps what was made for it.

What a browser gets at each row's `cdn_url` is compared with the provider's file.
"""

from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest

from sandbox.app import create_user, enqueue_storyboards
from sandbox.app_shots import (
    CLIPS,
    STORYBOARDS,
    Way,
    delete_shot,
    deletion,
    reset_clips,
    reset_storyboards,
)
from sandbox.app_videos import enqueue_compose, enqueue_sync
from sandbox.providers.client import IMAGES
from sandbox.providers.models import Timing
from tests.support.compositions import RENDERS, shotstack
from tests.support.shots import SECONDS, ThreeShots, clip_url, three_shots
from tests.support.site import Site

TASKS = "/ark/api/v3/contents/generations/tasks/*"
FILES = "/three-shots-?.*"
# A retry comes when the test calls for it.
RETRY_LATE = {"attempts": 3, "backoff": {"type": "fixed", "delay": 600_000}}
WAYS = get_args(Way)
# Three deletions of rows, and two rows renumbered in three tables.
STEPS = 9
# Clips and pictures, and pictures of jobs of the older form.
KINDS = ["clips", "pictures", "pictures without ids"]


async def lay(shots: ThreeShots, kind: str) -> str:
    """The rows, which wait to be stored; returns their table."""
    if kind == "clips":
        await shots.lay_generated_clips()
        return CLIPS
    await shots.lay_pictures()
    return STORYBOARDS


async def add(shots: ThreeShots, kind: str, **options: Any) -> list[str]:
    if kind == "clips":
        return await shots.add_clip_downloads(**options)
    return await shots.add_picture_downloads(with_ids=kind == "pictures", **options)


async def ended(site: Site, jobs: list[str]) -> list[str]:
    return [(await site.end_of(job_id)).name for job_id in jobs]


async def delete_first(shots: ThreeShots) -> None:
    await delete_shot(shots.supabase, shots.project.id, 1)


async def half_deleted(shots: ThreeShots, way: Way, steps: int) -> AsyncIterator[str]:
    """The rest of a deletion of shot 1 of which so many steps are done."""
    rest = deletion(shots.supabase, shots.project.id, 1, way)
    for _ in range(steps):
        await anext(rest)
    return rest


async def finish(deletion: AsyncIterator[str]) -> None:
    async for _ in deletion:
        pass


@pytest.mark.parametrize("kind", KINDS)
async def test_before_the_first_attempt(site: Site, kind: str) -> None:
    shots = await three_shots(site)
    table = await lay(shots, kind)
    jobs = await add(shots, kind)
    await delete_first(shots)
    await site.worker()
    assert (await ended(site, jobs))[1:] == ["completed", "completed"]
    await shots.check_stored(table)


@pytest.mark.parametrize("kind", KINDS)
async def test_between_two_attempts(site: Site, kind: str) -> None:
    shots = await three_shots(site)
    table = await lay(shots, kind)
    await site.vidfab.providers.control.fail(FILES, status=503, times=3)
    await site.worker()
    jobs = await add(shots, kind, **RETRY_LATE)
    for job_id in jobs:
        await site.app.wait_for(job_id, "delayed")
    await delete_first(shots)
    for job_id in jobs:
        await site.app.promote(job_id)
    assert (await ended(site, jobs))[1:] == ["completed", "completed"]
    await shots.check_stored(table)


@pytest.mark.parametrize("kind", KINDS)
async def test_while_it_is_fetched(site: Site, kind: str) -> None:
    shots = await three_shots(site)
    table = await lay(shots, kind)
    await site.vidfab.providers.control.delay(FILES, 1.5)
    await site.worker()
    jobs = await add(shots, kind)
    await site.wait_for_requests(FILES, 3)
    await delete_first(shots)
    assert (await ended(site, jobs))[1:] == ["completed", "completed"]
    await shots.check_stored(table)


@pytest.mark.parametrize("kind", KINDS)
async def test_after_it_is_stored(site: Site, kind: str) -> None:
    """The jobs come once more, as those of a worker that was cut off do."""
    shots = await three_shots(site)
    table = await lay(shots, kind)
    await site.worker()
    assert await ended(site, await add(shots, kind)) == ["completed"] * 3
    await shots.check_stored(table, 3)
    await delete_first(shots)
    await shots.check_stored(table)
    before = await shots.rows(table)
    if kind != "clips":
        await shots.supabase.update(table, {"storage_status": "pending"}, shot_number="eq.1")
        assert (await site.end_of(await shots.add_batch())).name == "completed"
        await site.app.wait_for(
            f"storyboard_download_{shots.project.id}_1_{before[0]['id']}", "completed"
        )
    else:
        for number in SECONDS:
            await shots.add_clip_download(number, jobId=f"again-{number}")
            await site.end_of(f"again-{number}")
    await shots.check_stored(table)
    assert [row["id"] for row in await shots.rows(table)] == [row["id"] for row in before]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_the_first_attempt_is_between_two_steps(site: Site, kind: str, way: Way) -> None:
    await site.worker()
    user = await create_user(site.vidfab.supabase)
    for steps in range(1, STEPS):
        shots = await three_shots(site, user)
        table = await lay(shots, kind)
        jobs = await add(shots, kind, delay=600_000)
        rest = await half_deleted(shots, way, steps)
        for job_id in jobs:
            await site.app.promote(job_id)
        assert (await ended(site, jobs))[1:] == ["completed", "completed"]
        await finish(rest)
        await shots.check_stored(table)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_the_second_attempt_is_between_two_steps(site: Site, kind: str, way: Way) -> None:
    """The first one is before the deletion."""
    await site.worker()
    user = await create_user(site.vidfab.supabase)
    for steps in range(1, STEPS):
        shots = await three_shots(site, user)
        table = await lay(shots, kind)
        await site.vidfab.providers.control.fail(FILES, status=503, times=3)
        jobs = await add(shots, kind, **RETRY_LATE)
        for job_id in jobs:
            await site.app.wait_for(job_id, "delayed")
        rest = await half_deleted(shots, way, steps)
        for job_id in jobs:
            await site.app.promote(job_id)
        assert (await ended(site, jobs))[1:] == ["completed", "completed"]
        await finish(rest)
        await shots.check_stored(table)


@pytest.mark.parametrize("way", WAYS)
async def test_pictures_are_drawn_for_the_rows_of_their_shots(site: Site, way: Way) -> None:
    """Their job was asked for before the deletion, and begins between two steps of it."""
    control = site.vidfab.providers.control
    await control.fail(IMAGES, status=400, body_contains="SHOT-3")
    await site.worker()
    user = await create_user(site.vidfab.supabase)
    for steps in range(1, STEPS + 1):
        shots = await three_shots(site, user)
        await site.app.pause()
        job_id = await enqueue_storyboards(site.app, shots.supabase, shots.project)
        ids = [row["id"] for row in await shots.rows(STORYBOARDS)]
        rest = await half_deleted(shots, way, steps)
        await site.app.resume()
        await site.end_of(job_id)
        await finish(rest)
        rows = {row["id"]: row["status"] for row in await shots.rows(STORYBOARDS)}
        assert rows == {ids[1]: "success", ids[2]: "failed"}, steps
    asked = await control.requests(IMAGES)
    assert [one for one in asked if "SHOT-1" in one.body["prompt"]] == []


@pytest.mark.parametrize("table", [CLIPS, STORYBOARDS])
async def test_a_reset_while_it_is_fetched(site: Site, table: str) -> None:
    """The rows are laid anew, with the same numbers: nothing is stored for those."""
    shots = await three_shots(site)
    kind = "clips" if table == CLIPS else "pictures"
    await lay(shots, kind)
    await site.vidfab.providers.control.delay(FILES, 1.5)
    await site.worker()
    jobs = await add(shots, kind)
    await site.wait_for_requests(FILES, 3)
    reset = reset_clips if table == CLIPS else reset_storyboards
    await reset(shots.supabase, shots.project.id)
    anew = [{"project_id": shots.project.id, "shot_number": n} for n in SECONDS]
    await shots.supabase.insert(table, anew)
    before = await shots.rows(table)
    await ended(site, jobs)
    assert await shots.rows(table) == before


async def test_while_clips_are_generated(site: Site) -> None:
    """Between the provider's answers and the writes of the rows."""
    shots = await three_shots(site)
    await shots.lay_ordered_clips()
    await site.vidfab.providers.control.delay(TASKS, 1.5)
    await site.worker()
    job_id = await enqueue_sync(site.app, shots.project)
    await site.wait_for_requests(TASKS, 3)
    await delete_first(shots)
    end = await site.end_of(job_id)
    assert end.args["returnvalue"]["data"] == {"synced": True, "updated": 2}
    for number in (2, 3):
        await site.app.wait_for(download_id(shots, number, number - 1), "completed")
    await shots.check_stored(CLIPS)


@pytest.mark.parametrize("way", WAYS)
async def test_a_sync_between_two_steps(site: Site, way: Way) -> None:
    await site.worker()
    user = await create_user(site.vidfab.supabase)
    for steps in range(1, STEPS):
        shots = await three_shots(site, user)
        await shots.lay_ordered_clips()
        rest = await half_deleted(shots, way, steps)
        numbers = {row["seedance_task_id"]: row["shot_number"] for row in await shots.rows(CLIPS)}
        await site.end_of(await enqueue_sync(site.app, shots.project))
        await finish(rest)
        left = {row["seedance_task_id"] for row in await shots.rows(CLIPS)}
        for task, number in numbers.items():
            job_id = f"va_clip_download_{shots.project.id}_{number}_{task}"
            end = await site.ended(job_id)
            if task not in left and end.state == "failed":  # it was deleted under the job
                assert end.failed_reason in (
                    f"The clip of shot {number} was removed",
                    f"Project {shots.project.id} has no clip for shot {number}",  # before it began
                )
            else:
                assert end.state == "completed"
        await shots.check_stored(CLIPS)


async def test_each_clip_is_fetched_as_soon_as_it_is_settled(site: Site) -> None:
    """One that is still asked for keeps none of the others from being stored."""
    shots = await three_shots(site)
    await shots.lay_ordered_clips()
    await site.vidfab.providers.control.delay(TASKS.replace("*", shots.task(3)), 600)
    await site.worker(QUEUE_CONCURRENCY="3")
    job_id = await enqueue_sync(site.app, shots.project)
    for number in (1, 2):
        await site.app.wait_for(download_id(shots, number, number), "completed")
    assert site.app.events_of(job_id, "completed") == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_composition_between_two_steps(site: Site, way: Way) -> None:
    """Each clip is as long as its own shot, whatever numbers both have by then."""
    await site.vidfab.providers.control.fail(RENDERS, status=400)  # what is ordered is enough
    await site.worker(**shotstack(site.vidfab))
    user = await create_user(site.vidfab.supabase)
    for steps in range(STEPS + 1):
        shots = await three_shots(site, user)
        await shots.lay_generated_clips()
        rest = await half_deleted(shots, way, steps)
        assert await composed(site, shots) == film(site, *((2, 3) if steps > 1 else (1, 2, 3)))
        await finish(rest)


async def test_while_a_film_is_rendered(site: Site) -> None:
    """It is the film that was asked for; nothing that the rows show is touched."""
    await site.vidfab.providers.control.timing(Timing(renders=2))
    await site.worker(**shotstack(site.vidfab))
    shots = await three_shots(site)
    await shots.lay_generated_clips()
    await ended(site, await shots.add_clip_downloads())
    own = [(row["cdn_url"], SECONDS[row["shot_number"]]) for row in await shots.rows(CLIPS)]
    job_id = await enqueue_compose(site.app, shots.project)
    await site.wait_for_requests(f"{RENDERS}/*", 1)
    await delete_first(shots)
    assert (await site.end_of(job_id)).name == "completed"
    assert await ordered(site) == own
    await shots.check_stored(CLIPS)


def film(site: Site, *numbers: int) -> list[tuple[str, int]]:
    """URLs and lengths of the clips of the shots that had these numbers at first."""
    return [(clip_url(site, number), SECONDS[number]) for number in numbers]


async def composed(site: Site, shots: ThreeShots) -> list[tuple[str, int]]:
    await site.end_of(await enqueue_compose(site.app, shots.project))
    return await ordered(site)


async def ordered(site: Site) -> list[tuple[str, int]]:
    """URLs and lengths of the clips in the film that was ordered last."""
    requests = await site.vidfab.providers.control.requests(RENDERS)
    [track] = [one for one in requests if one.method == "POST"][-1].body["timeline"]["tracks"]
    return [(clip["asset"]["src"], clip["length"]) for clip in track["clips"]]


def download_id(shots: ThreeShots, number: int, now: int) -> str:
    """Of the clip of the shot that had this number at first, and has another one now."""
    return f"va_clip_download_{shots.project.id}_{now}_{shots.task(number)}"
