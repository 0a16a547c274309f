"""The recorded downloads of clips and videos, replayed.

Where the contract overrules the Node worker the test spells it out: it failed at every clip,
completed jobs that had failed, counted its progress from 0 to 1 and did not probe.
"""

from typing import Any

import pytest

from tests.support.progress import check_events, check_log
from tests.support.recordings import PROJECT, USER, Recording, load
from tests.support.site import Site
from tests.support.stored_videos import (
    VIDEO,
    clip_path,
    clip_row,
    lay_clip,
    lay_video,
    object_info,
    video_row,
)

CLIP_PATH = clip_path("t1")
VIDEO_PATH = f"videos/{USER}/{VIDEO}.mp4"
NOT_FOUND = "Download failed: the server answered 404 Not Found"


def recording(site: Site, name: str) -> Recording:
    vidfab = site.vidfab
    return load(name, media_url=vidfab.providers.media_url, supabase_url=vidfab.supabase.url)


async def enqueue(site: Site, recorded: Recording) -> None:
    for job in recorded.enqueued:
        stored = job["stored_in_redis"]
        await site.app.add(stored["name"], stored["data"], stored["opts"])


def public_url(site: Site, path: str) -> str:
    return f"{site.vidfab.supabase.url}/storage/v1/object/public/user-videos/{path}"


async def test_clip(site: Site) -> None:
    """The Node worker calls a method that responses do not have; here the clip is stored."""
    recorded = recording(site, "video_clip_download-ok")
    await lay_clip(site.vidfab, seedance_task_id="t1")
    await enqueue(site, recorded)
    await site.worker()
    job = await site.ended(recorded.job_id)

    info = await object_info(site.vidfab, CLIP_PATH)
    assert (job.state, job.attempts_made) == ("completed", 1)
    assert job.returnvalue["success"] is True
    assert job.returnvalue["data"] == {
        "downloaded": True,
        "projectId": PROJECT,
        "shotNumber": 1,
        "storagePath": CLIP_PATH,
        "cdnUrl": public_url(site, CLIP_PATH),
        "fileSize": info["size"],
    }
    assert info["size"] > 10_000
    assert (info["mimetype"], info["cacheControl"]) == ("video/mp4", "max-age=3600")
    end = {"percent": 100, "message": "Download completed"}
    await site.check_progress(recorded.job_id, [*recorded.progress(recorded.job_id), end])
    row = await clip_row(site.vidfab)
    expected = {
        "video_url_external": recorded.enqueued[0]["data"]["externalUrl"],
        "storage_path": CLIP_PATH,
        "cdn_url": public_url(site, CLIP_PATH),
        "storage_status": "completed",
    }
    assert {key: row[key] for key in expected} == expected


async def test_clip_that_is_gone(site: Site) -> None:
    """The Node worker completes it with `success: false`; here it fails, at once."""
    recorded = recording(site, "video_clip_download-media-404")
    await lay_clip(site.vidfab)
    await enqueue(site, recorded)
    await site.worker()
    job = await site.ended(recorded.job_id)

    assert (job.state, job.failed_reason, job.attempts_made) == ("failed", NOT_FOUND, 1)
    await site.check_progress(recorded.job_id, recorded.progress(recorded.job_id))
    row = await clip_row(site.vidfab)
    assert (row["storage_status"], row["error_message"]) == ("failed", None)


async def test_video(site: Site) -> None:
    """Percentages are whole and reach 100; the length is probed; the thumbnail is a job."""
    recorded = recording(site, "download_video-ok")
    await lay_video(site.vidfab)
    await enqueue(site, recorded)
    await site.worker()
    job = await site.ended(recorded.job_id)

    expected = recorded.returned(recorded.job_id)
    assert job.returnvalue.keys() == expected.keys()
    # Its size is another since the clips are drawn; the Node worker's id was that of an event.
    info = await object_info(site.vidfab, VIDEO_PATH)
    ours = {"fileSize": info["size"], "thumbnailJobId": f"thumbnail_{VIDEO}"}
    assert job.returnvalue["data"] == {**expected["data"], **ours}
    [stored] = recorded.did["objects_stored"]
    assert {key: info[key] for key in ("mimetype", "cacheControl")} == {
        key: stored[key] for key in ("mimetype", "cacheControl")
    }
    [change] = recorded.did["rows_changed"]["user_videos"]
    row = await video_row(site.vidfab)
    overruled = {"duration_seconds": 5, "file_size": info["size"]}
    expected_row = {**change["set"], **overruled}
    del expected_row["updated_at"]
    if row["status"] != "processing":  # a worker that knows generate_thumbnail went on
        del expected_row["status"]
    assert {key: row[key] for key in expected_row} == expected_row
    check_progress(site.progress(recorded.job_id), recorded.progress(recorded.job_id))
    await check_log(site.folder, [{"percent": 90, "message": "Downloading... 100%"}])


def check_progress(found: list[dict[str, Any]], recorded: list[dict[str, Any]]) -> None:
    """The recorded events around the download, and within it whole numbers from 10 to 90."""
    inside = [one for one in found if one["message"].startswith("Downloading")]
    around = [one for one in found if one not in inside]
    reported = [one for one in recorded if not one["message"].startswith("Downloading")]
    check_events(around, reported, len(inside))
    for one in inside:
        share = int(one["message"].removeprefix("Downloading... ").removesuffix("%"))
        assert one["percent"] == 10 + share * 80 // 100
    percents = [one["percent"] for one in found]
    assert percents == sorted(percents)
    assert len(found) <= 60


async def test_the_thumbnail_job_is_as_the_app_knows_it(site: Site) -> None:
    recorded = recording(site, "download_video-ok")
    await lay_video(site.vidfab)
    await enqueue(site, recorded)
    await site.worker(QUEUE_CONCURRENCY="1")
    await site.app.wait_for(recorded.job_id, "active")
    await site.app.pause()
    await site.ended(recorded.job_id)
    job = await site.app.job(f"thumbnail_{VIDEO}")
    assert job is not None
    assert job.name == "generate_thumbnail"
    assert {key: job.data[key] for key in ("userId", "videoId", "videoPath", "thumbnailPath")} == {
        "userId": USER,
        "videoId": VIDEO,
        "videoPath": VIDEO_PATH,
        "thumbnailPath": f"thumbnails/{USER}/{VIDEO}.jpg",
    }
    await site.app.resume()


async def test_video_that_is_gone(site: Site) -> None:
    recorded = recording(site, "download_video-media-404")
    await lay_video(site.vidfab)
    await enqueue(site, recorded)
    await site.worker()
    job = await site.ended(recorded.job_id)

    assert (job.state, job.failed_reason, job.attempts_made) == ("failed", NOT_FOUND, 1)
    # The download begins here with an event of its own.
    begun = {"percent": 10, "message": "Downloading... 0%"}
    await site.check_progress(recorded.job_id, [*recorded.progress(recorded.job_id), begun])
    row = await video_row(site.vidfab)
    said = "This video is no longer available. Please make it again."
    assert (row["status"], row["error_message"]) == ("failed", said)


@pytest.mark.parametrize("name", ["video_clip_download-ok", "download_video-ok"])
async def test_a_second_delivery_fetches_nothing(site: Site, name: str) -> None:
    recorded = recording(site, name)
    await lay_clip(site.vidfab)
    await lay_video(site.vidfab)
    await enqueue(site, recorded)
    await site.worker()
    first = await site.ended(recorded.job_id)
    await site.vidfab.supabase.update("user_videos", {"status": "completed"}, id=f"eq.{VIDEO}")
    rows = [await clip_row(site.vidfab), await video_row(site.vidfab)]
    await site.vidfab.providers.control.clear_requests()

    [sent] = recorded.enqueued
    again = {"jobId": "again", "priority": 3}
    await site.app.add(sent["name"], sent["data"], again)
    second = await site.ended("again")
    assert second.state == "completed"
    if name.startswith("download_video"):
        assert second.returnvalue["data"] == first.returnvalue["data"]
    else:
        assert second.returnvalue["data"] == {
            "downloaded": False,
            "skipped": True,
            "reason": "Already completed",
            "projectId": PROJECT,
            "shotNumber": 1,
        }
    assert await site.vidfab.providers.control.requests("/clip/*") == []
    assert [await clip_row(site.vidfab), await video_row(site.vidfab)] == rows
