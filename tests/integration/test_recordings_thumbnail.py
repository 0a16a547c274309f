"""The recorded thumbnail jobs, replayed; where the contract overrules the Node worker is said."""

from pathlib import Path
from typing import Any

import pytest

from tests.support import films
from tests.support.recordings import Recording, load
from tests.support.site import Site
from tests.support.videos import (
    THUMBNAIL_PATH,
    VIDEO,
    colour,
    lay_video,
    picture_metadata,
    stored_picture,
    video_row,
)

JOB = f"thumbnail_{VIDEO}"


@pytest.fixture
async def laid(site: Site, tmp_path: Path) -> Site:
    """A 1080p video in its place, and a worker."""
    await lay_video(site.vidfab, films.film(tmp_path / "video.mp4", size="1920x1080"))
    await site.worker()
    return site


def recording(site: Site, name: str) -> Recording:
    vidfab = site.vidfab
    return load(name, media_url=vidfab.providers.media_url, supabase_url=vidfab.supabase.url)


async def replay(site: Site, recorded: Recording) -> dict[str, Any]:
    stored = recorded.enqueued[0]["stored_in_redis"]
    await site.app.add(stored["name"], stored["data"], stored["opts"])
    return (await site.app.wait_for(JOB, "completed")).args["returnvalue"]


async def test_webp(laid: Site) -> None:
    recorded = recording(laid, "generate_thumbnail-webp")
    returned = await replay(laid, recorded)
    expected = recorded.returned(JOB)
    assert returned.keys() == expected.keys()
    assert returned["data"] == expected["data"]
    await laid.check_progress(JOB, recorded.progress(JOB))
    [change] = recorded.did["rows_changed"]["user_videos"]
    row = await video_row(laid.vidfab)
    for column in ("status", "thumbnail_path"):
        assert row[column] == change["set"][column]
    [stored] = recorded.did["objects_stored"]
    assert (stored["bucket"], stored["path"]) == ("video-thumbnails", THUMBNAIL_PATH)
    metadata = await picture_metadata(laid.vidfab)
    for field in ("mimetype", "cacheControl"):
        assert metadata[field] == stored[field]
    # The Node worker stored a drawing; this is a picture of the video.
    picture = await stored_picture(laid.vidfab)
    assert (picture.format, picture.size, colour(picture)) == ("WEBP", (1280, 720), "green")


async def test_jpg(laid: Site) -> None:
    """The Node worker asks storage to take "image/jpg" and fails; here it is a JPEG like others."""
    recorded = recording(laid, "generate_thumbnail-jpg")
    assert recorded.returned(JOB)["success"] is False
    returned = await replay(laid, recorded)
    webp = recording(laid, "generate_thumbnail-webp")
    assert returned["success"] is True
    assert returned["data"] == webp.returned(JOB)["data"]
    await laid.check_progress(JOB, webp.progress(JOB))
    row = await video_row(laid.vidfab)
    assert (row["status"], row["thumbnail_path"]) == ("completed", THUMBNAIL_PATH)
    assert row["error_message"] is None
    metadata = await picture_metadata(laid.vidfab)
    assert (metadata["mimetype"], metadata["cacheControl"]) == ("image/jpeg", "max-age=3600")
    picture = await stored_picture(laid.vidfab)
    assert (picture.format, picture.size, colour(picture)) == ("JPEG", (1280, 720), "green")


async def test_failure(site: Site, tmp_path: Path) -> None:
    """The Node worker's way with the row is kept, in the job's own failure instead of a success."""
    await lay_video(site.vidfab, films.sound(tmp_path / "sound.mp4"))
    await site.worker()
    recorded = recording(site, "generate_thumbnail-jpg")
    stored = recorded.enqueued[0]["stored_in_redis"]
    await site.app.add(stored["name"], stored["data"], stored["opts"])
    job = await site.ended(JOB)
    assert (job.state, job.failed_reason) == ("failed", "The file holds no video stream")
    [change] = recorded.did["rows_changed"]["user_videos"]
    row = await video_row(site.vidfab)
    assert row["status"] == change["set"]["status"] == "completed"
    opening = "Thumbnail generation failed: "
    assert change["set"]["error_message"].startswith(opening)
    assert row["error_message"] == f"{opening}No picture could be taken from this video."
