"""Thumbnails are real pictures of stored videos."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import films
from tests.support.recordings import USER
from tests.support.site import Site
from tests.support.videos import (
    THUMBNAIL_PATH,
    VIDEO,
    VIDEO_PATH,
    colour,
    lay_video,
    picture_metadata,
    store_video,
    stored_picture,
    thumbnail_job,
    thumbnail_made,
    video_row,
    with_wishes,
)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.film(tmp_path_factory.mktemp("films") / "film.mp4")


@pytest.mark.parametrize("form", ["jpg", "png", "webp"])
async def test_a_picture_of_the_moment_asked_for(site: Site, film: Path, form: str) -> None:
    await lay_video(site.vidfab, film)
    await site.worker()
    job = await thumbnail_made(site, with_wishes(format=form, width=160, height=160))

    assert job.returnvalue["data"].keys() == {"generated", "path", "url"}
    picture = await stored_picture(site.vidfab)
    mime = {"jpg": "image/jpeg"}.get(form, f"image/{form}")
    stored = await picture_metadata(site.vidfab)
    assert stored["mimetype"] == picture.get_format_mimetype() == mime
    assert picture.size == (160, 90)
    assert colour(picture) == "green"
    row = await video_row(site.vidfab)
    assert (row["status"], row["thumbnail_path"]) == ("completed", THUMBNAIL_PATH)
    assert row["error_message"] is None


async def test_the_offset_counts_also_in_the_second_half(site: Site, film: Path) -> None:
    await lay_video(site.vidfab, film)
    await site.worker()
    await thumbnail_made(site, with_wishes(timeOffset=3))
    picture = await stored_picture(site.vidfab)
    assert colour(picture) == "blue"
    assert picture.size == (320, 180), "small videos are not enlarged"


MAKERS: dict[str, tuple[Callable[[Path], Path], tuple[int, int]]] = {
    "shorter than the offset": (
        lambda out: films.film(out, colours=[("red", 0.125), ("lime", 0.15), ("red", 0.125)]),
        (320, 180),
    ),
    "portrait": (lambda out: films.film(out, size="720x1280"), (404, 720)),
    "10-bit HEVC": (lambda out: films.film(out, codec=films.HEVC_10), (320, 180)),
    "turned by a quarter": (
        lambda out: films.rotated(films.film(out.with_name("flat.mp4")), out),
        (180, 320),
    ),
    "odd sides": (
        lambda out: films.film(out, size="321x181", codec=("-c:v", "png", "-f", "mov")),
        (320, 180),
    ),
    "data of 3 GB announced": (
        lambda out: films.three_gigabytes(films.web_ready(out.with_name("whole.mp4")), out),
        (320, 180),
    ),
    "65535x65535 announced": (
        lambda out: films.huge_size_in_header(films.film(out.with_name("whole.mp4")), out),
        (320, 180),
    ),
}


@pytest.mark.parametrize("case", MAKERS)
async def test_unusual_videos(site: Site, tmp_path: Path, case: str) -> None:
    make, size = MAKERS[case]
    await lay_video(site.vidfab, await asyncio.to_thread(make, tmp_path / "video.mp4"))
    await site.worker()
    job = await thumbnail_made(site, thumbnail_job())
    assert job.state == "completed", job.failed_reason
    picture = await stored_picture(site.vidfab)
    assert picture.size == size
    assert colour(picture) == "green"


async def test_a_temporary_video_has_no_row(site: Site, film: Path) -> None:
    path = f"videos/{USER}/temp-1.mp4"
    await store_video(site.vidfab, film, path)
    await site.worker()
    job = await thumbnail_made(site, thumbnail_job(videoId="temp-1", videoPath=path))
    assert job.returnvalue["data"]["path"] == f"thumbnails/{USER}/temp-1.jpg"
    picture = await stored_picture(site.vidfab, f"thumbnails/{USER}/temp-1.jpg")
    assert colour(picture) == "green"
    assert await site.vidfab.supabase.rows("user_videos") == []


async def test_a_missing_file_and_a_missing_video(site: Site) -> None:
    await lay_video(site.vidfab)
    await site.worker()
    job = await thumbnail_made(site, thumbnail_job(), attempts=3)
    assert (job.failed_reason, job.attempts_made) == (
        f"The bucket user-videos holds no {VIDEO_PATH}",
        1,
    )
    assert (await video_row(site.vidfab))["status"] == "completed"
    gone = "99999999-9999-4999-8999-999999999999"
    job = await thumbnail_made(site, thumbnail_job(videoId=gone), attempts=3)
    assert (job.failed_reason, job.attempts_made) == (f"Video {gone} does not exist", 1)


async def test_a_deleted_video_does_not_come_back(site: Site, film: Path) -> None:
    await lay_video(site.vidfab, film, status="deleted")
    before = await video_row(site.vidfab)
    await site.worker()
    job = await thumbnail_made(site, thumbnail_job(), attempts=3)
    assert (job.failed_reason, job.attempts_made) == (f"Video {VIDEO} was deleted", 1)
    assert await video_row(site.vidfab) == before
