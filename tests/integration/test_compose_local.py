"""Final videos made by ffmpeg on the worker's own machine."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox.providers.drawing.clips import ffmpeg
from tests.support.compositions import (
    JOB,
    clip,
    fetch_film,
    lay_project,
    make_video,
    options,
    payload,
    project_row,
    stored_film,
)
from tests.support.people import told_operators
from tests.support.recordings import PROJECT, USER
from tests.support.site import Site


async def media_clip(site: Site, name: str, *shape: Any, audio: bool = True) -> str:
    """The address of a test picture of this size, rate and length."""
    folder = site.vidfab.providers.media_folder
    await make_video(folder / f"{name}.mp4", *shape, audio=audio)
    return f"{site.vidfab.providers.media_url}/{name}.mp4"


async def mixed(site: Site) -> list[dict[str, Any]]:
    """2 s, 1 s and 1 s of three sizes, rates, and one silent."""
    urls = [
        await media_clip(site, "wide", "1280x720", 24, 2),
        await media_clip(site, "tall", "360x640", 30, 1, audio=False),
        await media_clip(site, "small", "320x240", 24, 1),
    ]
    return [clip(number, url) for number, url in enumerate(urls, 1)]


async def composed(site: Site, **settings: str) -> dict[str, Any]:
    """The result, checked against the project's row."""
    await site.worker(**settings)
    await site.app.add("va_compose_video", payload(), options())
    job = await site.finished(JOB, 300)
    assert (job.state, job.failed_reason) == ("completed", None)
    row = await project_row(site.vidfab)
    video = job.returnvalue["data"]["video"]
    assert (video["url"], video["fileSize"], video["resolution"]) == (
        row["final_video_url"],
        row["final_video_file_size"],
        row["final_video_resolution"],
    )
    return job.returnvalue["data"]


@pytest.mark.parametrize(
    ("transition", "seconds", "aspect", "size"),
    [
        ("none", 3, "16:9", (1920, 1080)),
        ("fade", 2, "9:16", (1080, 1920)),
        ("dissolve", 2, "16:9", (1920, 1080)),
    ],
)
async def test_unlike_clips(
    site: Site, transition: str, seconds: int, aspect: str, size: tuple[int, int]
) -> None:
    """1 s of 2, all of 1 (its shot has 8), and 1; each of two transitions takes half a second.

    Transition and format know nothing of each other: each of either is there.
    """
    look = {"aspect_ratio": aspect, "transition_effect": transition, "transition_duration": 0.5}
    await lay_project(site.vidfab, [1, 8, 6], await mixed(site), **look)
    result = await composed(site)
    film = await stored_film(site.vidfab, site.folder)
    assert result["estimatedDuration"] == 15
    assert result["video"]["duration"] == pytest.approx(seconds, abs=0.05)
    assert film.duration_s == pytest.approx(seconds, abs=0.05)
    assert (film.width, film.height, film.fps) == (*size, 24)
    assert film.has_audio
    assert result["video"]["resolution"] == f"{size[0]}x{size[1]}"


async def pictures(video: Path) -> list[str]:
    """A digest of each picture."""
    command = [ffmpeg(), "-loglevel", "error", "-i", str(video), "-map", "0:v"]
    ended = await asyncio.to_thread(
        subprocess.run, [*command, "-f", "framemd5", "-"], capture_output=True, check=True
    )
    lines = ended.stdout.decode().splitlines()
    return [line.rpartition(",")[2].strip() for line in lines if not line.startswith("#")]


async def test_clips_that_are_alike_are_joined_as_they_are(site: Site) -> None:
    shape = ("1920x1080", 24)
    urls = [
        await media_clip(site, "one", *shape, 1),
        await media_clip(site, "two", *shape, 2),
    ]
    clips = [clip(number, url) for number, url in enumerate(urls, 1)]
    await lay_project(site.vidfab, [1, 2], clips, transition_effect="none")
    result = await composed(site, VIDEO_COMPOSER="ffmpeg", SHOTSTACK_API_KEY="not-used")
    assert result["video"]["duration"] == pytest.approx(3, abs=0.1)
    folder = site.vidfab.providers.media_folder
    film = await pictures(await fetch_film(site.vidfab, site.folder))
    one, two = await pictures(folder / "one.mp4"), await pictures(folder / "two.mp4")
    assert film == one + two
    assert len(film) == 3 * 24


async def test_a_clip_in_the_own_storage(site: Site) -> None:
    """Its address is plain http on this machine, which the guard would refuse."""
    file = await make_video(site.folder / "own.mp4", "1920x1080", 24, 1)
    path = f"videos/{USER}/video-agent/{PROJECT}/clips/shot-1.mp4"
    content = await asyncio.to_thread(file.read_bytes)
    await site.vidfab.supabase.request(
        "POST",
        f"/storage/v1/object/user-videos/{path}",
        content=content,
        headers={"content-type": "video/mp4"},
    )
    url = f"{site.vidfab.supabase.url}/storage/v1/object/public/user-videos/{path}"
    await lay_project(site.vidfab, [1], [clip(1, url)])
    result = await composed(site)
    assert result["video"]["duration"] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://x.example/a.mp4", "Unsafe clip of shot 1: only https addresses are fetched"),
        ("https://127.0.0.1/a.mp4", "Unsafe clip of shot 1: IP literal is not allowed"),
        ("$SUPABASE/rest/v1/users", "Unsafe clip of shot 1: only https addresses are fetched"),
        ("$MEDIA/status/404/a.mp4", "Download failed: the server answered 404 Not Found"),
        ("$MEDIA/img/a.jpg", "What the address serves is not a video"),
    ],
)
async def test_clips_that_cannot_be_had(site: Site, url: str, reason: str) -> None:
    url = url.replace("$SUPABASE", site.vidfab.supabase.url)
    url = url.replace("$MEDIA", site.vidfab.providers.media_url)
    await lay_project(site.vidfab, [4], [clip(1, url)])
    await site.worker()
    await site.app.add("va_compose_video", payload(), options())
    job = await site.finished(JOB)
    assert (job.state, job.attempts_made) == ("failed", 1)
    assert job.failed_reason == (
        "Some clips cannot be used. Please make the clips of these shots again: 1."
    )
    assert told_operators(job).startswith(reason)
    row = await project_row(site.vidfab)
    assert (row["status"], row["step_6_status"]) == ("failed", "failed")


async def test_a_clip_that_only_looks_like_a_video(site: Site) -> None:
    file = site.vidfab.providers.media_folder / "liar.mp4"
    await asyncio.to_thread(file.write_bytes, b"\x00\x00\x00\x18ftypisom" + b"x" * 4000)
    url = f"{site.vidfab.providers.media_url}/liar.mp4"
    await lay_project(site.vidfab, [4], [clip(1, url)])
    await site.worker()
    await site.app.add("va_compose_video", payload(), options())
    job = await site.finished(JOB)
    assert (job.state, job.attempts_made) == ("failed", 1)
    assert job.failed_reason == (
        "The final video cannot be made from these clips. Please make the clips again."
    )
    assert "cannot be read" in told_operators(job)
    assert str(site.folder) not in told_operators(job)
