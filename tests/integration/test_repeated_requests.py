"""Ids that name a thing are free again at a job's end: BullMQ would drop the app's next request."""

from typing import Any

import pytest

from sandbox.vidfab import VidFab
from tests.support.recordings import PROJECT, USER, row_id
from tests.support.site import Site
from tests.support.stored_videos import VIDEO, lay_clip, lay_video
from tests.support.storyboards import generated

COMMON = {"userId": USER, "videoId": VIDEO}
SHOT = {**COMMON, "projectId": PROJECT, "shotNumber": 1}


def jobs(media: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """By name: the id as the app makes it, and a payload."""
    clip, picture = f"{media}/clip/a.mp4?seconds=1", f"{media}/img/a.jpg"
    path = f"videos/{USER}/{VIDEO}.mp4"
    return {
        "storyboard_download": (
            f"storyboard_download_{PROJECT}_1_{row_id(1)}",
            {**SHOT, "storyboardId": row_id(1), "externalUrl": picture},
        ),
        "video_clip_download": (
            f"va_clip_download_{PROJECT}_1_t1",
            {**SHOT, "externalUrl": clip},
        ),
        "download_video": (f"download_{VIDEO}", {**COMMON, "originalUrl": clip}),
        "generate_thumbnail": (f"thumbnail_{VIDEO}", {**COMMON, "videoPath": path}),
        "update_quota": (f"quota_{USER}", {**COMMON, "operation": "recalculate"}),
        "cleanup_temp": (f"cleanup_{VIDEO}", {**COMMON, "tempUrls": []}),
        "va_sync_video_status": (f"va_sync_{PROJECT}", {**COMMON, "projectId": PROJECT}),
    }


async def lay(vidfab: VidFab) -> None:
    media = vidfab.providers.media_url
    await lay_clip(vidfab)
    await lay_video(vidfab)
    row = generated(1, f"{media}/img/a.jpg", "pending")
    await vidfab.supabase.insert("project_storyboards", [row])


@pytest.mark.parametrize("userId", [USER, "no-such-user"])
async def test_the_next_request_runs_after_success_and_after_failure(
    site: Site, userId: str
) -> None:
    await lay(site.vidfab)
    await site.worker()
    asked = jobs(site.vidfab.providers.media_url)
    options = {"priority": 3, "attempts": 1, "removeOnComplete": 50, "removeOnFail": 20}
    for name, (job_id, payload) in asked.items():
        data = {**payload, "userId": userId}
        for count in (1, 2):
            await site.app.add(name, data, {"jobId": job_id, **options})
            await site.app.wait_until(lambda: len(ends(site, job_id)) == count)  # noqa: B023
        assert await site.app.job(job_id) is None, name
    if userId == USER:
        # The video was stored by the job before; all else had what it needs.
        assert {
            name for name, (job_id, _) in asked.items() if "failed" in ends(site, job_id)
        } == set()


def ends(site: Site, job_id: str) -> list[str]:
    names = (event.name for event in site.app.events_of(job_id))
    return [name for name in names if name in {"completed", "failed"}]
