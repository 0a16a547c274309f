"""A clip belongs to a row, not to a shot's number: the app deletes shots while jobs run.

Deleting a shot removes its rows and lowers `shot_number` of all later ones, one UPDATE a number.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.providers.drawing.clips import Clip, make_clip
from tests.support.clips import clip, clips, download_id, lay_clips
from tests.support.recordings import PROJECT, USER
from tests.support.site import Site

CLIPS = "project_video_clips"
FOLDER = f"videos/{USER}/video-agent/{PROJECT}/clips"
# A retry comes when the test calls for it, not before.
RETRY_LATE = {"attempts": 3, "backoff": {"type": "fixed", "delay": 600_000}}


def file_of(site: Site, task: str) -> Path:
    """What the provider made for this task."""
    return site.vidfab.providers.media_folder / f"{task}.mp4"


def source(site: Site, task: str) -> str:
    return f"{site.vidfab.providers.media_url}/{task}.mp4"


@pytest.fixture(autouse=True)
async def _made(site: Site) -> None:
    """Clips that differ."""
    for number in (1, 2, 3, 4):
        made = Clip(seconds=1, width=160, height=90, number=number)
        await make_clip(made, file_of(site, f"t{number}"))


async def lay_three(site: Site) -> None:
    """Clips 1 to 3 as the app's status route leaves them before it adds their downloads."""
    columns = {"status": "success", "storage_status": "pending"}
    rows = (clip(n, **columns, video_url_external=source(site, f"t{n}")) for n in (1, 2, 3))
    await lay_clips(site.vidfab, *rows)


async def add_download(site: Site, shot_number: int, task: str, **options: Any) -> str:
    """As the app does: the provider's id is in the job's id alone."""
    job_id = download_id(shot_number, task)
    data = {
        "jobId": job_id,
        "userId": USER,
        "videoId": PROJECT,
        "projectId": PROJECT,
        "shotNumber": shot_number,
        "externalUrl": source(site, task),
    }
    await site.app.add("video_clip_download", data, {"jobId": job_id, "priority": 3, **options})
    return job_id


async def add_three(site: Site, **options: Any) -> list[str]:
    return [await add_download(site, n, f"t{n}", **options) for n in (1, 2, 3)]


async def delete_shot_1(site: Site) -> None:
    chosen = {"shot_number": "eq.1"}
    await site.vidfab.supabase.request("DELETE", f"/rest/v1/{CLIPS}", params=chosen)
    for number in (2, 3):
        lowered = {"shot_number": number - 1}
        await site.vidfab.supabase.update(CLIPS, lowered, shot_number=f"eq.{number}")


async def stored_at(site: Site, shot_number: int) -> tuple[str, bytes]:
    """The row's `cdn_url` and what a browser gets there."""
    row = (await clips(site.vidfab))[shot_number]
    assert (row["status"], row["storage_status"]) == ("success", "completed")
    assert row["storage_path"].startswith(f"{FOLDER}/shot-")
    assert row["id"] in row["storage_path"]
    assert row["cdn_url"].endswith(row["storage_path"])
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(row["cdn_url"])
    return row["cdn_url"], answer.raise_for_status().content


async def check_each_has_its_own(site: Site, tasks: Sequence[str]) -> None:
    """The shots, in their order, show what the provider made for these tasks."""
    assert len(await clips(site.vidfab)) == len(tasks)
    urls: set[str] = set()
    for number, task in enumerate(tasks, 1):
        url, content = await stored_at(site, number)
        assert content == await asyncio.to_thread(file_of(site, task).read_bytes), task
        urls.add(url)
    assert len(urls) == len(tasks)


async def test_a_shot_is_deleted_between_two_attempts(site: Site) -> None:
    await lay_three(site)
    await site.vidfab.providers.control.fail("/t?.mp4", status=503, times=3)
    await site.worker()
    jobs = await add_three(site, **RETRY_LATE)
    for job_id in jobs:
        await site.app.wait_for(job_id, "delayed")
    await delete_shot_1(site)
    for job_id in jobs:
        await site.app.promote(job_id)
    ends = [await site.ended(job_id) for job_id in jobs]
    assert [end.state for end in ends] == ["failed", "completed", "completed"]
    await check_each_has_its_own(site, ["t2", "t3"])


async def test_a_shot_is_deleted_before_the_first_attempt(site: Site) -> None:
    await lay_three(site)
    jobs = await add_three(site)
    await delete_shot_1(site)
    await site.worker()
    for job_id in jobs:
        await site.end_of(job_id)
    await check_each_has_its_own(site, ["t2", "t3"])


async def test_a_shot_is_deleted_while_clips_are_fetched(site: Site) -> None:
    await lay_three(site)
    await site.vidfab.providers.control.delay("/t?.mp4", 1.5)
    await site.worker()
    jobs = await add_three(site)
    await site.wait_for_requests("/t?.mp4", 3)
    await delete_shot_1(site)
    for job_id in jobs:
        await site.end_of(job_id)
    await check_each_has_its_own(site, ["t2", "t3"])


async def test_a_clip_is_stored_anew_for_the_shot_that_took_the_number(site: Site) -> None:
    """All three are stored, then shots move up, and one of them gets another clip."""
    await lay_three(site)
    await site.worker()
    for job_id in await add_three(site):
        assert (await site.end_of(job_id)).name == "completed"
    await delete_shot_1(site)
    await check_each_has_its_own(site, ["t2", "t3"])
    before, _ = await stored_at(site, 1)

    anew = {
        "seedance_task_id": "t4",
        "storage_status": "pending",
        "video_url_external": source(site, "t4"),
    }
    await site.vidfab.supabase.update(CLIPS, anew, shot_number="eq.1")
    assert (await site.end_of(await add_download(site, 1, "t4"))).name == "completed"
    await check_each_has_its_own(site, ["t4", "t3"])
    after, _ = await stored_at(site, 1)
    assert after != before, "browsers keep what lay at the older address for an hour"


async def test_a_late_job_leaves_the_newer_clip_alone(site: Site) -> None:
    await lay_three(site)
    anew = {"seedance_task_id": "t4", "video_url_external": source(site, "t4")}
    await site.vidfab.supabase.update(CLIPS, anew, shot_number="eq.1")
    before = await clips(site.vidfab)
    await site.worker()
    job = await site.ended(await add_download(site, 1, "t1"))
    assert job.returnvalue["data"]["reason"] == "A newer clip was generated"
    assert await site.vidfab.providers.control.requests("/t?.mp4") == []
    assert await clips(site.vidfab) == before


async def test_a_late_job_leaves_a_clip_alone_that_is_being_generated_anew(site: Site) -> None:
    """Its row still names the URL of the clip before it, whose file would get the new address."""
    await lay_three(site)
    anew = {"seedance_task_id": "t4", "status": "generating"}
    await site.vidfab.supabase.update(CLIPS, anew, shot_number="eq.1")
    before = await clips(site.vidfab)
    await site.worker()
    job = await site.ended(await add_download(site, 1, "t1"))
    assert job.returnvalue["data"]["reason"] == "A newer clip was generated"
    assert await clips(site.vidfab) == before


async def test_the_providers_id_tells_rows_apart_that_name_one_url(site: Site) -> None:
    """A worker that went by the number wrote the first clip's URL into the second one's row."""
    await lay_three(site)
    await delete_shot_1(site)
    mixed_up = {"video_url_external": source(site, "t2")}
    await site.vidfab.supabase.update(CLIPS, mixed_up, shot_number="eq.2")
    before = await clips(site.vidfab)
    await site.worker()
    await site.ended(await add_download(site, 2, "t2"))
    await stored_at(site, 1)
    assert (await clips(site.vidfab))[2] == before[2]


async def test_the_same_clip_under_a_new_signature_is_no_other_clip(site: Site) -> None:
    """Each question to the provider is answered with a URL that is signed anew."""
    await lay_three(site)
    signed = {"video_url_external": f"{source(site, 't1')}?signed=again"}
    await site.vidfab.supabase.update(CLIPS, signed, shot_number="eq.1")
    await site.worker()
    job = await site.ended(await add_download(site, 1, "t1"))
    assert job.returnvalue["data"]["downloaded"] is True
    _, content = await stored_at(site, 1)
    assert content == await asyncio.to_thread(file_of(site, "t1").read_bytes)


async def test_a_clip_that_cannot_be_stored_shows_no_error_under_a_good_clip(site: Site) -> None:
    await lay_three(site)
    await site.vidfab.providers.control.fail("/t1.mp4", status=404)
    await site.worker()
    job = await site.ended(await add_download(site, 1, "t1", attempts=6))
    assert (job.state, job.attempts_made) == ("failed", 1)
    row = (await clips(site.vidfab))[1]
    assert (row["storage_status"], row["error_message"]) == ("failed", None)


async def test_an_unsafe_url_fails_before_it_is_asked_whose_it_is(site: Site) -> None:
    await lay_three(site)
    before = await clips(site.vidfab)
    await site.worker()
    data = {"userId": USER, "projectId": PROJECT, "shotNumber": 1}
    options = {"jobId": download_id(1, "t0"), "priority": 3, "attempts": 6}
    unsafe = {**data, "externalUrl": "https://169.254.169.254/latest"}
    job = await site.ended(await site.app.add("video_clip_download", unsafe, options))
    assert (job.state, job.attempts_made) == ("failed", 1)
    assert str(job.failed_reason).startswith("Unsafe externalUrl: IP literal")
    assert await clips(site.vidfab) == before
