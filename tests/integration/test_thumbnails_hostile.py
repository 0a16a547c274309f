"""Hostile files and a hanging ffmpeg harm no worker and leave nothing behind."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sandbox.processes import PATIENCE_S, Process
from tests.support import films
from tests.support.recordings import USER
from tests.support.site import Site
from tests.support.stopwatch import Stopwatch
from tests.support.videos import (
    lay_video,
    store_video,
    thumbnail_job,
    thumbnail_made,
    video_row,
)

NO_PICTURE = "No picture could be taken from this video."
NOT_MADE = "The preview picture could not be made. The video itself is not affected."


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.film(tmp_path_factory.mktemp("films") / "film.mp4")


def garbage(out: Path) -> Path:
    out.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 400)
    return out


def playlist(out: Path) -> Path:
    """Where the format is not held down, ffmpeg would open what a playlist names."""
    out.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n")
    return out


BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no video stream": (films.sound, "The file holds no video stream"),
    "garbage": (garbage, "The video cannot be read: "),
    "a playlist": (playlist, "The video cannot be read: "),
    "a huge picture": (
        films.huge_picture,
        "The video cannot be decoded, or its pictures are too large",
    ),
    "a huge index": (
        lambda out: films.huge_index(films.film(out.with_name("whole.mp4")), out),
        "No picture at 0 s: ",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_video_without_a_picture_is_completed_all_the_same(
    site: Site, film: Path, tmp_path: Path, case: str
) -> None:
    make, reason = BROKEN[case]
    await lay_video(site.vidfab, await asyncio.to_thread(make, tmp_path / "video.mp4"))
    worker = await site.worker()
    watch = Stopwatch(worker)
    job = await thumbnail_made(site, thumbnail_job(), attempts=3)

    assert (job.state, job.attempts_made) == ("failed", 1)
    assert watch.seconds() < 10
    assert job.failed_reason is not None
    assert job.failed_reason.startswith(reason)
    assert "/tmp" not in job.failed_reason
    row = await video_row(site.vidfab)
    assert (row["status"], row["thumbnail_path"]) == ("completed", None)
    assert row["error_message"] == f"Thumbnail generation failed: {NO_PICTURE}"

    assert psutil.Process(worker.pid).children() == []
    await store_video(site.vidfab, film)
    assert (await thumbnail_made(site, thumbnail_job())).state == "completed"


# Of this test run alone, whoever else runs it on the machine.
NAP = f"571.{os.getpid()}"


def sleepers() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cmdline() == ["sleep", NAP]:
                found.append(process)
    return found


async def until_asleep(count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(sleepers()) != count:  # noqa: ASYNC110 (other processes)
            await asyncio.sleep(0.02)


def _install(folder: Path, script: str) -> None:
    folder.mkdir()
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


async def with_ffmpeg(site: Site, folder: Path, patch: pytest.MonkeyPatch, script: str) -> Process:
    """A worker whose `ffmpeg` runs a script."""
    _install(folder, script)
    with patch.context() as patched:
        patched.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return await site.worker(SHUTDOWN_GRACE_S="0.2")


# 50 MB of it, by a shell that may have no children.
FLOOD = """
words='Could not read
'
for _ in 1 2 3 4 5 6 7 8 9 10 11; do words="$words$words"; done
left=1600
while [ $left -gt 0 ]; do printf %s "$words" >&2; left=$((left - 1)); done
"""
# What an ffmpeg does to itself, the reason that its job gives, and after how many attempts.
ENDS = {
    "a crash": ("kill -SEGV $$", "ffmpeg crashed (signal 11)", 1),
    "an abort": ("kill -ABRT $$", "ffmpeg crashed (signal 6)", 1),
    "an illegal instruction": ("kill -ILL $$", "ffmpeg crashed (signal 4)", 1),
    "no memory": (
        "kill -KILL $$",
        "ffmpeg was killed (signal 9), most likely for want of memory",
        2,
    ),
    "a flood of words": (
        f"{FLOOD} exit 1",
        "The video cannot be read: Could not read",
        1,
    ),
}


@pytest.mark.parametrize("case", ENDS)
async def test_an_ffmpeg_that_comes_to_grief_fails_one_job(
    site: Site, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    script, reason, attempts = ENDS[case]
    said = NOT_MADE if case == "no memory" else NO_PICTURE
    await lay_video(site.vidfab, film)
    worker = await with_ffmpeg(site, tmp_path / "bin", monkeypatch, script)
    job = await thumbnail_made(site, thumbnail_job(), attempts=2, backoff=10)
    assert (job.state, job.attempts_made, job.failed_reason) == ("failed", attempts, reason)
    row = await video_row(site.vidfab)
    assert (row["status"], row["error_message"]) == (
        "completed",
        f"Thumbnail generation failed: {said}",
    )
    # The worker goes on.
    data = {"userId": USER, "operation": "add"}
    after = await site.app.add("update_quota", data, {"priority": 4})
    assert (await site.ended(after)).state == "completed"
    assert psutil.Process(worker.pid).children() == []


async def test_a_hanging_ffmpeg_ends_when_its_worker_is_stopped(
    site: Site, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job goes back to the queue for the next worker."""
    await lay_video(site.vidfab, film)
    worker = await with_ffmpeg(site, tmp_path / "bin", monkeypatch, f"exec sleep {NAP}")
    job_id = await site.app.add(
        "generate_thumbnail", thumbnail_job(), {"priority": 3, "attempts": 1}
    )
    await until_asleep(1)
    assert await worker.stop() == 0
    await until_asleep(0)

    await site.worker()
    job = await site.ended(job_id)
    assert (job.state, job.attempts_made) == ("completed", 1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
async def test_a_hanging_ffmpeg_ends_when_its_worker_is_killed(
    site: Site, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lay_video(site.vidfab, film)
    worker = await with_ffmpeg(site, tmp_path / "bin", monkeypatch, f"exec sleep {NAP}")
    await site.app.add("generate_thumbnail", thumbnail_job(), {"priority": 3})
    await until_asleep(1)
    await worker.kill()
    await until_asleep(0)
