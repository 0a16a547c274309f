"""A job without a user id is its row's owner's; one with a user id stays that user's."""

from datetime import timedelta
from typing import Any

import pytest

from core.people import Cause, Thing, Why, sentence
from sandbox.gateway import Gateway
from tests.support.clips import SYNC, clips, download_id, lay_clips
from tests.support.compositions import JOB as FILM
from tests.support.compositions import lay_project
from tests.support.recordings import PROJECT, USER
from tests.support.site import Site
from tests.support.unstored import generated_clip
from tests.support.videos import VIDEO, lay_video

OTHER = "00000000-0000-4000-8000-000000000002"
CLIP = download_id(1, "t1")


async def add_download(site: Site, path: str, **change: Any) -> None:
    url = f"{site.vidfab.providers.media_url}/{path}"
    row = {**generated_clip(site.vidfab, 1, timedelta(0)), "video_url_external": url}
    await lay_clips(site.vidfab, row)
    data = {"jobId": CLIP, "projectId": PROJECT, "shotNumber": 1, "externalUrl": url, **change}
    await site.app.add("video_clip_download", data, {"jobId": CLIP, "priority": 3, "attempts": 1})


@pytest.mark.parametrize("change", [{}, {"userId": None}], ids=["missing", "null"])
async def test_the_projects_owner_is_taken(site: Site, change: dict[str, Any]) -> None:
    await add_download(site, "clip/1.mp4", **change)
    await site.worker()
    assert (await site.ended(CLIP)).state == "completed"
    row = (await clips(site.vidfab))[1]
    assert row["storage_path"].startswith(f"videos/{USER}/video-agent/{PROJECT}/clips/")


async def test_it_is_known_when_the_job_fails(site: Site) -> None:
    await add_download(site, "status/404/x.mp4")
    await site.worker()
    assert (await site.ended(CLIP)).state == "failed"
    assert (await clips(site.vidfab))[1]["storage_status"] == "failed"


@pytest.mark.parametrize("user_id", [OTHER, ""])
async def test_a_user_id_that_is_there_is_never_replaced(site: Site, user_id: str) -> None:
    await add_download(site, "clip/1.mp4", userId=user_id)
    await site.worker()
    assert (await site.ended(CLIP)).state == "failed"
    assert (await clips(site.vidfab))[1]["storage_status"] == "pending"


async def test_a_single_videos_owner_is_taken(site: Site) -> None:
    await lay_video(site.vidfab)
    url = f"{site.vidfab.providers.media_url}/clip/a.mp4"
    data = {"videoId": VIDEO, "originalUrl": url, "storagePath": "x", "settings": {}}
    await site.worker()
    await site.app.add("download_video", data, {"jobId": f"download_{VIDEO}", "priority": 3})
    assert (await site.ended(f"download_{VIDEO}")).state == "completed"
    [row] = await site.vidfab.supabase.rows("user_videos", id=f"eq.{VIDEO}")
    assert row["storage_path"] == f"videos/{USER}/{VIDEO}.mp4"


async def test_without_a_row_the_job_fails_for_its_data(site: Site) -> None:
    await site.worker()
    await site.app.add("va_sync_video_status", {"projectId": PROJECT}, {"jobId": SYNC})
    assert "'userId'" in ((await site.ended(SYNC)).failed_reason or "")


async def test_a_composition_whose_owner_cannot_be_looked_up_shows_why_at_once(site: Site) -> None:
    """Every read is refused: its page waits for no key."""
    await lay_project(site.vidfab, [2], [])
    async with Gateway(site.vidfab.supabase) as gateway:
        gateway.faults.answers["GET /rest/v1/video_agent_projects"] = [401] * 1000
        await site.worker(SUPABASE_URL=gateway.url)
        data = {"jobId": FILM, "videoId": PROJECT, "projectId": PROJECT}
        await site.app.add("va_compose_video", data, {"jobId": FILM, "priority": 3, "attempts": 3})
        job = await site.finished(FILM)
    assert (job.state, job.failed_reason) == (
        "failed",
        sentence(Why(Cause.OUR_SIDE), Thing.FILM, "en"),
    )
