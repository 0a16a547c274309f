"""A job that names what its user does not own: nothing is bought, written, removed or added."""

from typing import Any

import pytest

from core.people import Cause, Thing, Why, sentence
from sandbox.vidfab import VidFab
from tests.support.clips import clip
from tests.support.compositions import project_row, shotstack
from tests.support.recordings import PROJECT, USER, row_id
from tests.support.site import Ended, Site
from tests.support.storyboards import generated
from tests.support.videos import VIDEO, VIDEO_PATH, lay_video

OTHER = "00000000-0000-4000-8000-000000000002"
OTHERS_PROJECT = "11111111-1111-4111-8111-222222222222"
OTHERS_VIDEO = "22222222-2222-4222-8222-333333333333"
TABLES = (
    "users", "video_agent_projects", "project_shots", "project_storyboards",
    "project_video_clips", "user_videos", "user_images", "user_storage_quotas",
)  # fmt: skip
BUCKETS = ("user-videos", "user-images", "video-thumbnails")
SHOT = {"shot_number": 1, "description": "A door"}

# The stranger's own id, with all else as the owner's job would have it.
FOREIGN: dict[str, tuple[str, dict[str, Any]]] = {
    "storyboard_generation": (
        "storyboard_generation",
        {"projectId": PROJECT, "shots": [SHOT], "characters": []},
    ),
    "storyboard_download": (
        "storyboard_download",
        {"projectId": PROJECT, "shotNumber": 1, "externalUrl": "$MEDIA/img/a.jpg"},
    ),
    "storyboard_download of all": (
        "storyboard_download",
        {"projectId": PROJECT, "shotNumber": 0, "externalUrl": "__BATCH__"},
    ),
    "video_clip_download": (
        "video_clip_download",
        {"projectId": PROJECT, "shotNumber": 1, "externalUrl": "$MEDIA/clip/a.mp4"},
    ),
    "va_sync_video_status": ("va_sync_video_status", {"projectId": PROJECT}),
    "va_compose_video": ("va_compose_video", {"projectId": PROJECT}),
    "download_video": ("download_video", {"videoId": VIDEO, "originalUrl": "$MEDIA/clip/a.mp4"}),
    "generate_thumbnail": (
        "generate_thumbnail",
        {"videoId": VIDEO, "videoPath": f"videos/{OTHER}/a.mp4"},
    ),
}
# The stranger's own rows, and things of somebody else's beside them.
BORROWED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a row of another project": (
        "storyboard_download",
        {"projectId": OTHERS_PROJECT, "shotNumber": 1, "storyboardId": row_id(1),
         "externalUrl": "$MEDIA/img/a.jpg"},
        "has no storyboard row for shot 1",
    ),
    "the file of another user": (
        "generate_thumbnail",
        {"videoId": OTHERS_VIDEO, "videoPath": VIDEO_PATH},
        "'videoPath': must be a file in the user's own folder",
    ),
    "a file beside the own folder": (
        "generate_thumbnail",
        {"videoId": OTHERS_VIDEO, "videoPath": f"videos/{OTHER}/../{USER}/{VIDEO}.mp4"},
        "'videoPath': must be a file in the user's own folder",
    ),
}  # fmt: skip


async def lay(vidfab: VidFab) -> None:
    """One user with work at every stage, another one with a little of their own."""
    await lay_video(vidfab, status="processing", storage_path=VIDEO_PATH)
    await vidfab.supabase.insert("users", [{"uuid": OTHER, "email": "other@example.com"}])
    await store(vidfab, "user-videos", VIDEO_PATH)
    await store(vidfab, "user-images", f"images/{USER}/a.jpg")
    projects = [
        {"id": project, "user_id": user, "duration": 30, "story_style": "auto",
         "original_script": "A cat.", "status": "processing", "step_3_status": "processing",
         "step_4_status": "completed"}
        for project, user in ((PROJECT, USER), (OTHERS_PROJECT, OTHER))
    ]  # fmt: skip
    await vidfab.supabase.insert("video_agent_projects", projects)
    url = f"{vidfab.providers.media_url}/img/a.jpg"
    await vidfab.supabase.insert("project_storyboards", [generated(1, url, "pending")])
    film = f"{vidfab.providers.media_url}/clip/a.mp4"
    clips = [clip(1, status="success", video_url_external=film), clip(2)]
    await vidfab.supabase.insert("project_video_clips", clips)
    video = {"id": OTHERS_VIDEO, "user_id": OTHER, "wavespeed_request_id": "ws-2", "prompt": "x"}
    await vidfab.supabase.insert("user_videos", [{**video, "settings": {}, "status": "processing"}])


async def store(vidfab: VidFab, bucket: str, path: str) -> None:
    kind = "video/mp4" if bucket == "user-videos" else "image/jpeg"
    place = f"/storage/v1/object/{bucket}/{path}"
    await vidfab.supabase.request("POST", place, content=b"x", headers={"content-type": kind})


async def everything(vidfab: VidFab) -> dict[str, Any]:
    """All rows, all objects, and what the vendors were asked."""
    rows = {table: await vidfab.supabase.rows(table) for table in TABLES}
    objects = {bucket: await objects_in(vidfab, bucket) for bucket in BUCKETS}
    asked = [(one.method, one.path) for one in await vidfab.providers.control.requests()]
    return {**rows, **objects, "asked": asked}


async def objects_in(vidfab: VidFab, bucket: str, folder: str = "") -> dict[str, Any]:
    place = f"/storage/v1/object/list/{bucket}"
    found: dict[str, Any] = {}
    for one in await vidfab.supabase.request("POST", place, json={"prefix": folder}):
        path = f"{folder}{one['name']}"
        if one["id"] is None:
            found |= await objects_in(vidfab, bucket, f"{path}/")
        else:
            found[path] = one["updated_at"]
    return found


async def ended(site: Site, name: str, data: dict[str, Any]) -> Ended:
    """A job of the stranger's, on a worker that could do anything."""
    media = site.vidfab.providers.media_url
    data = {
        key: value.replace("$MEDIA", media) if isinstance(value, str) else value
        for key, value in data.items()
    }
    job = await site.app.add(name, {"userId": OTHER, **data}, {"priority": 2, "attempts": 3})
    return await site.ended(job)


async def check_refused(site: Site, name: str, data: dict[str, Any], said: str) -> None:
    before = await everything(site.vidfab)
    await site.worker(**shotstack(site.vidfab))
    job = await ended(site, name, data)
    assert (job.state, job.attempts_made) == ("failed", 1)
    assert job.failed_reason is not None
    # Of a film people read it: for them the project is not there.
    shown = sentence(Why(Cause.NOT_FOUND), Thing.FILM, "en") if name == "va_compose_video" else said
    assert shown in job.failed_reason
    assert await everything(site.vidfab) == before
    assert sum(event.name == "added" for event in site.app.events) == 1


@pytest.mark.parametrize("case", FOREIGN)
async def test_somebody_elses_work_is_left_alone(site: Site, case: str) -> None:
    await lay(site.vidfab)
    await check_refused(site, *FOREIGN[case], "does not belong to the job's user")


async def test_what_the_owner_asks_for_is_done(site: Site) -> None:
    """The same job as above: it failed for nothing but its user."""
    await lay(site.vidfab)
    await site.worker()
    name, data = FOREIGN["storyboard_download"]
    job = await ended(site, name, {**data, "userId": USER})
    assert (job.state, job.failed_reason) == ("completed", None)


@pytest.mark.parametrize("composer", ["shotstack", "ffmpeg"])
async def test_no_film_is_made_of_somebody_elses_clips(site: Site, composer: str) -> None:
    await lay(site.vidfab)
    url = f"{site.vidfab.supabase.url}/storage/v1/object/public/user-videos/{VIDEO_PATH}"
    row = {"project_id": OTHERS_PROJECT, "shot_number": 1, "status": "success", "cdn_url": url}
    await site.vidfab.supabase.insert("project_video_clips", [row])
    await site.worker(**shotstack(site.vidfab), VIDEO_COMPOSER=composer)
    job = await ended(site, "va_compose_video", {"projectId": OTHERS_PROJECT})
    unusable = Why(Cause.UNUSABLE_CLIPS, (1,))
    said = sentence(unusable, Thing.FILM, "en")
    assert (job.state, job.attempts_made, job.failed_reason) == ("failed", 1, said)
    assert await site.vidfab.providers.control.requests() == []
    assert (await project_row(site.vidfab))["status"] == "processing"


async def test_somebody_elses_objects_are_not_cleaned_up(site: Site) -> None:
    await lay(site.vidfab)
    before = await everything(site.vidfab)
    await site.worker()
    public = f"{site.vidfab.supabase.url}/storage/v1/object/public"
    urls = [f"{public}/user-images/images/{USER}/a.jpg", f"{public}/user-videos/{VIDEO_PATH}"]
    job = await ended(site, "cleanup_temp", {"tempUrls": urls})
    assert job.state == "completed"
    assert await everything(site.vidfab) == before


async def test_a_quota_is_counted_for_its_own_user_alone(site: Site) -> None:
    await lay(site.vidfab)
    before = await everything(site.vidfab)
    await site.worker()
    job = await ended(site, "update_quota", {"operation": "recalculate"})
    assert job.state == "completed"
    after = await everything(site.vidfab)
    quotas = after.pop("user_storage_quotas")
    del before["user_storage_quotas"]
    assert after == before
    assert [row["user_id"] for row in quotas if row["user_id"] != USER] == [OTHER]


@pytest.mark.parametrize("case", BORROWED)
async def test_things_of_somebody_elses_are_not_borrowed(site: Site, case: str) -> None:
    name, data, sentence = BORROWED[case]
    await lay(site.vidfab)
    before = await everything(site.vidfab)
    await site.worker()
    job = await ended(site, name, data)
    assert (job.state, job.attempts_made) == ("failed", 1)
    assert sentence in (job.failed_reason or "")
    # The stranger's own video may say why.
    assert not_the_strangers(await everything(site.vidfab)) == not_the_strangers(before)


def not_the_strangers(state: dict[str, Any]) -> dict[str, Any]:
    kept = {table: [row for row in state[table] if row.get("user_id") != OTHER] for table in TABLES}
    return {**state, **kept}
