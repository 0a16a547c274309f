"""Downloads of clips and videos beyond the recordings: bad payloads, broken sources, strangers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sandbox.gateway import RESUMABLE, Gateway
from sandbox.processes import PATIENCE_S
from sandbox.providers.drawing.clips import Clip, make_clip
from tests.support import films
from tests.support.mp4 import padded
from tests.support.recordings import PROJECT, USER
from tests.support.site import Site
from tests.support.stored_videos import (
    VIDEO,
    clip_path,
    clip_row,
    is_stored,
    lay_clip,
    lay_user,
    lay_video,
    object_info,
    video_row,
)

OTHER = "00000000-0000-4000-8000-000000000002"
NOWHERE = "99999999-9999-4999-8999-999999999999"
PATH = f"videos/{USER}/{VIDEO}.mp4"
URL = "https://x.example/a.mp4"

Payload = tuple[str, dict[str, Any]]


def video(**change: Any) -> Payload:
    data = {"userId": USER, "videoId": VIDEO, "originalUrl": URL, "storagePath": PATH, **change}
    return "download_video", {key: value for key, value in data.items() if value is not None}


def clip(**change: Any) -> Payload:
    data = {"userId": USER, "projectId": PROJECT, "shotNumber": 1, "externalUrl": URL, **change}
    return "video_clip_download", {key: value for key, value in data.items() if value is not None}


BAD = {
    "video: no videoId": (video(videoId=None), "'videoId': field required"),
    "video: no url": (video(originalUrl=None), "'originalUrl': field required"),
    "video: url of another kind": (video(originalUrl=7), "'originalUrl': input should be a valid"),
    "video: a path as videoId": (video(videoId="../x"), "'videoId': must be 1 to 128 letters"),
    "video: a path after temp-": (video(videoId="temp-../x"), "'videoId': must be 1 to 128"),
    "video: an encoded path": (video(videoId="temp-%2e%2e"), "'videoId': must be 1 to 128"),
    "video: a huge id": (video(videoId="temp-" + "1" * 200), "'videoId': must be 1 to 128"),
    "video: no row's id": (video(videoId="17"), "'videoId': must be a UUID"),
    "video: a path as userId": (video(userId="a/../b"), "'userId': must be 1 to 128 letters"),
    "video: somebody else's": (video(userId=OTHER), "does not belong to the job's user"),
    "video: not there": (video(videoId=NOWHERE), f"Video {NOWHERE} does not exist"),
    "video: http": (
        video(originalUrl="http://x.example/a.mp4"),
        "Unsafe originalUrl: only https addresses are fetched",
    ),
    "video: an internal name": (
        video(originalUrl="https://redis.internal/a.mp4"),
        "Unsafe originalUrl: local and internal",
    ),
    "video: an address": (
        video(originalUrl="https://169.254.169.254/latest"),
        "Unsafe originalUrl: IP literal",
    ),
    "video: a huge url": (
        video(originalUrl="https://x.example/" + "a" * 3000),
        "Unsafe originalUrl: the address is longer",
    ),
    "video: an enormous url": (
        video(originalUrl="a" * 200_000),
        "'originalUrl': string should have at most 100000 characters",
    ),
    "clip: no projectId": (clip(projectId=None), "'projectId': field required"),
    "clip: a path as projectId": (clip(projectId="../../x"), "'projectId': must be a UUID"),
    "clip: no url": (clip(externalUrl=None), "'externalUrl': field required"),
    "clip: a shot of another kind": (clip(shotNumber="first"), "'shotNumber': input should be"),
    "clip: a shot below none": (clip(shotNumber=-1), "'shotNumber': input should be greater"),
    "clip: a huge shot": (clip(shotNumber=10**9), "'shotNumber': input should be less"),
    "clip: no such shot": (clip(shotNumber=9), f"Project {PROJECT} has no clip for shot 9"),
    "clip: somebody else's": (clip(userId=OTHER), "does not belong to the job's user"),
    "clip: no such project": (clip(projectId=NOWHERE), f"Project {NOWHERE} does not exist"),
    "clip: an address": (
        clip(externalUrl="https://127.0.0.1/a.mp4"),
        "Unsafe externalUrl: IP literal is not allowed, only a host name",
    ),
    "clip: an internal name": (
        clip(externalUrl="https://metadata.goog/a.mp4"),
        "Unsafe externalUrl: local and internal",
    ),
}


async def test_bad_payloads_fail_at_once_with_one_sentence(site: Site) -> None:
    await lay_clip(site.vidfab)
    await lay_video(site.vidfab)
    await site.worker()
    ids = {
        case: await site.app.add(name, data, {"priority": 2, "attempts": 3})
        for case, ((name, data), _) in BAD.items()
    }
    for case, job_id in ids.items():
        job = await site.ended(job_id)
        assert (job.state, job.attempts_made) == ("failed", 1), case
        assert job.failed_reason is not None, case
        assert BAD[case][1] in job.failed_reason, case
        assert len(job.failed_reason.splitlines()) == 1, case
    assert (await video_row(site.vidfab))["status"] == "failed"
    assert (await clip_row(site.vidfab))["storage_status"] == "failed"
    assert not await is_stored(site.vidfab, PATH)


async def test_a_broken_source_is_fetched_again(site: Site) -> None:
    media = site.vidfab.providers
    await media.control.break_off("/clip/*", 5000, times=2)
    await lay_clip(site.vidfab)
    await lay_video(site.vidfab)
    await site.worker()
    again = {"priority": 3, "attempts": 3, "backoff": {"type": "fixed", "delay": 50}}
    url = f"{media.media_url}/clip/broken.mp4"
    for payload, path in ((clip(externalUrl=url), clip_path(url)), (video(originalUrl=url), PATH)):
        job = await site.ended(await site.app.add(*payload, again))
        assert job.state == "completed"
        size = job.returnvalue["data"]["fileSize"]
        assert size == (await object_info(site.vidfab, path))["size"] > 5000
    assert len(await media.control.requests("/clip/broken.mp4")) == 4


async def test_a_source_that_stays_broken_is_settled(site: Site) -> None:
    await site.vidfab.providers.control.break_off("/clip/*", 5000)
    await lay_video(site.vidfab)
    await site.worker()
    url = f"{site.vidfab.providers.media_url}/clip/broken.mp4"
    options = {"priority": 3, "attempts": 2, "backoff": {"type": "fixed", "delay": 50}}
    job = await site.ended(await site.app.add(*video(originalUrl=url), options))
    assert (job.state, job.attempts_made) == ("failed", 2)
    row = await video_row(site.vidfab)
    assert (row["status"], row["error_message"]) == (
        "failed",
        "This video could not be downloaded. Please try again in a few minutes.",
    )
    assert not await is_stored(site.vidfab, PATH)


async def test_where_it_lies_is_not_for_the_payload_to_say(site: Site) -> None:
    await lay_video(site.vidfab)
    await site.worker()
    url = f"{site.vidfab.providers.media_url}/clip/a.mp4"
    data = video(originalUrl=url, storagePath=f"videos/{OTHER}/../x.mp4")
    job = await site.ended(await site.app.add(*data, {"priority": 3}))
    assert job.returnvalue["data"]["path"] == PATH
    assert await is_stored(site.vidfab, PATH)


async def test_a_temporary_video_has_no_row(site: Site) -> None:
    await lay_user(site.vidfab)
    await site.worker()
    url = f"{site.vidfab.providers.media_url}/clip/a.mp4"
    data = video(videoId="temp-1700000000000", originalUrl=url)
    job = await site.ended(await site.app.add(*data, {"priority": 3}))
    path = f"videos/{USER}/temp-1700000000000.mp4"
    assert job.returnvalue["data"]["path"] == path
    assert job.returnvalue["data"]["thumbnailJobId"] == "thumbnail_temp-1700000000000"
    assert await is_stored(site.vidfab, path)
    assert await site.vidfab.supabase.rows("user_videos") == []


async def test_a_worker_that_stops_hands_its_download_back(site: Site, tmp_path: Path) -> None:
    """Nothing is stored by the first worker; the second one stores the whole, in one attempt."""
    await lay_video(site.vidfab)
    small = await make_clip(Clip(seconds=2), tmp_path / "small.mp4")
    size_bytes = 300 * 1024 * 1024
    padded(small, site.vidfab.providers.media_folder / "large.mp4", size_bytes)
    async with Gateway(site.vidfab.supabase) as gateway:
        first = await site.worker(SUPABASE_URL=gateway.url, SHUTDOWN_GRACE_S="0.1")
        url = f"{site.vidfab.providers.media_url}/large.mp4"
        job_id = await site.app.add(*video(originalUrl=url), {"priority": 3, "attempts": 3})
        async with asyncio.timeout(PATIENCE_S):
            while f"PATCH {RESUMABLE}/" not in gateway.seen:  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.01)
        assert await first.stop() == 0
        assert not await is_stored(site.vidfab, PATH)
        await site.worker(SUPABASE_URL=gateway.url)
        job = await site.ended(job_id)
    assert (job.state, job.attempts_made) == ("completed", 1)
    assert job.returnvalue["data"]["fileSize"] == size_bytes
    assert (await object_info(site.vidfab, PATH))["size"] == size_bytes
    row = await video_row(site.vidfab)
    assert (row["file_size"], row["duration_seconds"]) == (size_bytes, 2)


# Until it is let go, and then as of a file that is no video.
WAITING_FFMPEG = "while [ ! -e ${0%/*}/go ]; do :; done; exit 1"


async def test_a_stored_video_is_in_its_row_before_it_is_looked_into(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever becomes of the probe, or of the worker meanwhile."""
    await lay_video(site.vidfab)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ffmpeg").write_text(f"#!/bin/sh\n{WAITING_FFMPEG}\n")
    (folder / "ffmpeg").chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{folder}:/usr/bin:/bin")
        await site.worker()
    url = f"{site.vidfab.providers.media_url}/clip/a.mp4"
    job_id = await site.app.add(*video(originalUrl=url), {"priority": 3})
    await site.progressed(job_id, "Getting video metadata...")
    async with asyncio.timeout(120):  # the probe goes on meanwhile
        while (row := await video_row(site.vidfab))["storage_path"] is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    size_bytes = (await object_info(site.vidfab, PATH))["size"]
    assert (row["storage_path"], row["file_size"]) == (PATH, size_bytes)
    assert (row["status"], row["download_progress"]) == ("processing", 100)
    (folder / "go").touch()
    assert (await site.ended(job_id)).state == "completed"


async def test_a_length_that_no_column_holds_does_not_fail_the_video(
    site: Site, tmp_path: Path
) -> None:
    await lay_video(site.vidfab)
    small = await make_clip(Clip(seconds=2), tmp_path / "small.mp4")
    films.lasting(small, site.vidfab.providers.media_folder / "endless.mp4", 3_000_000_000)
    await site.worker()
    url = f"{site.vidfab.providers.media_url}/endless.mp4"
    job = await site.ended(await site.app.add(*video(originalUrl=url), {"priority": 3}))
    assert (job.state, job.attempts_made) == ("completed", 1)
    row = await video_row(site.vidfab)
    assert (row["storage_path"], row["duration_seconds"]) == (PATH, 2**31 - 1)


@pytest.mark.parametrize("status", ["completed", "deleted"])
async def test_a_settled_row_stays_as_it_is(site: Site, status: str) -> None:
    """Whatever is wrong with a late job."""
    columns = {"status": status, "storage_path": PATH, "thumbnail_path": "t", "file_size": 7}
    await lay_video(site.vidfab, **columns)
    before = await video_row(site.vidfab)
    await site.worker()
    for payload in (video(originalUrl=None), video(originalUrl="http://x.example/")):
        await site.ended(await site.app.add(*payload, {"priority": 3}))
    assert await video_row(site.vidfab) == before


async def test_an_older_clip_does_not_replace_a_newer_one(site: Site) -> None:
    """The row says which one counts."""
    media = site.vidfab.providers.media_url
    await lay_clip(site.vidfab, video_url_external=f"{media}/clip/newer.mp4")
    before = await clip_row(site.vidfab)
    await site.worker()
    older = clip(externalUrl=f"{media}/clip/older.mp4")
    job = await site.ended(await site.app.add(*older, {"priority": 3}))
    assert job.returnvalue["data"]["reason"] == "A newer clip was generated"
    gone = clip(externalUrl=f"{media}/status/404/older.mp4")
    await site.ended(await site.app.add(*gone, {"priority": 3}))
    assert await clip_row(site.vidfab) == before


async def test_a_row_becomes_final_when_a_refused_key_is_replaced(site: Site) -> None:
    await lay_video(site.vidfab)
    async with Gateway(site.vidfab.supabase) as gateway:
        gateway.faults.answers["PATCH /rest/v1/user_videos"] = [401] * 1000
        await site.worker(SUPABASE_URL=gateway.url)
        job_id = await site.app.add(*video(), {"jobId": f"download_{VIDEO}", "attempts": 1})
        await site.app.wait_for(job_id, "delayed")
        gateway.faults.answers.clear()
        await site.app.promote(job_id)
        assert (await site.ended(job_id)).state == "failed"
    assert (await video_row(site.vidfab))["status"] == "failed"
