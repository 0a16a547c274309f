"""Thumbnail jobs that cannot succeed fail at once, with one clear sentence."""

from pathlib import Path

import pytest

from tests.support import films
from tests.support.recordings import USER
from tests.support.site import Site
from tests.support.videos import (
    lay_video,
    thumbnail_job,
    thumbnail_made,
    video_row,
    with_wishes,
)

OTHER = "00000000-0000-4000-8000-000000000002"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.film(tmp_path_factory.mktemp("films") / "film.mp4")


BAD = {
    "no videoId": (thumbnail_job(videoId=None), "'videoId': field required"),
    "no videoPath": (thumbnail_job(videoPath=None), "'videoPath': field required"),
    "a number as videoPath": (
        thumbnail_job(videoPath=7),
        "'videoPath': input should be a valid",
    ),
    "a huge videoPath": (
        thumbnail_job(videoPath=f"videos/{USER}/{'a/' * 5000}x.mp4"),
        "'videoPath': string should have at most 1024 characters",
    ),
    "a path as videoId": (thumbnail_job(videoId="../x"), "'videoId': must be 1 to 128 letters"),
    "a video that cannot be": (
        thumbnail_job(videoId="abc"),
        'Supabase refused to read the video: invalid input syntax for type uuid: "abc"',
    ),
    "somebody else's video": (
        thumbnail_job(userId=OTHER, videoPath=f"videos/{OTHER}/a.mp4"),
        "does not belong to the job's user",
    ),
    "settings of another kind": (
        thumbnail_job(thumbnailSettings=[1]),
        "'thumbnailSettings': input should be",
    ),
    "no width": (with_wishes(width=0), "'thumbnailSettings.width': input should be greater than"),
    "a huge height": (
        with_wishes(height=10**9),
        "'thumbnailSettings.height': input should be",
    ),
    "quality 101": (with_wishes(quality=101), "'thumbnailSettings.quality': input should be less"),
    "gif": (with_wishes(format="gif"), "'thumbnailSettings.format': input should be 'jpg', 'png'"),
    "before the start": (
        with_wishes(timeOffset=-1),
        "'thumbnailSettings.timeOffset': input should",
    ),
    "no moment": (with_wishes(timeOffset="soon"), "'thumbnailSettings.timeOffset': input"),
    "not an object": ([1], "The job's data is not an object"),
    **{
        f"videoPath {path!r}": (
            thumbnail_job(videoPath=path),
            "'videoPath': must be a file in the user",
        )
        for path in (
            "",
            f"videos/{OTHER}/a.mp4",
            f"videos/{USER}/../{OTHER}/a.mp4",
            f"videos/{USER}/%2e%2e/a.mp4",
            f"videos/{USER}//a.mp4",
            f"/videos/{USER}/a.mp4",
            f"videos/{USER}/a.mp4\n",
            f"videos/{USER}/a\0.mp4",
            f"videos/{USER}/.mp4",
            f"videos/{USER}/",
            "https://x.example/a.mp4",
        )
    },
}


async def test_bad_payloads_fail_at_once(site: Site, film: Path) -> None:
    await lay_video(site.vidfab, film)
    await site.worker()
    for case, (data, sentence) in BAD.items():
        job = await thumbnail_made(site, data, attempts=3)
        assert (job.state, job.attempts_made) == ("failed", 1), case
        assert job.failed_reason is not None
        assert sentence in job.failed_reason, case
        assert len(job.failed_reason.splitlines()) == 1
    # Where the payload still names a video of the user's, its row is settled.
    assert (await video_row(site.vidfab))["status"] == "completed"
    assert (await thumbnail_made(site, thumbnail_job())).state == "completed"
