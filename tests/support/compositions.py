"""A project whose clips are ready, and what a film is."""

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox.providers import keys
from sandbox.providers.drawing.clips import ffmpeg
from sandbox.vidfab import VidFab
from services.media.description import Probed
from services.media.ffmpeg import Ffmpeg
from tests.support.recordings import PROJECT, USER

JOB = f"va_compose_{PROJECT}"
FILM = f"videos/{USER}/video-agent/{PROJECT}/final.mp4"
RENDERS = "/shotstack/render"


def payload(**change: Any) -> dict[str, Any]:
    data = {"jobId": JOB, "userId": USER, "videoId": PROJECT, "projectId": PROJECT, **change}
    return {key: value for key, value in data.items() if value is not None}


def options(**change: Any) -> dict[str, Any]:
    """As the app gives them, but for a short backoff."""
    backoff = {"type": "exponential", "delay": 100}
    return {"jobId": JOB, "priority": 3, "attempts": 3, "backoff": backoff, **change}


def shotstack(vidfab: VidFab) -> dict[str, str]:
    """Settings with which a worker renders at the stand-in."""
    url = vidfab.providers.shotstack_url
    return {"SHOTSTACK_API_KEY": keys.SHOTSTACK, "SHOTSTACK_API_URL": url}


def clip(shot_number: int, url: str | None, **columns: Any) -> dict[str, Any]:
    row = {"project_id": PROJECT, "shot_number": shot_number, "status": "success"}
    return {**row, "cdn_url": url, "video_url_external": None, "video_url": None, **columns}


async def lay_project(
    vidfab: VidFab,
    seconds: Sequence[int | None],
    clips: Sequence[dict[str, Any]],
    **columns: Any,
) -> None:
    """One shot for each of `seconds`, numbered from 1, and the clips that there are."""
    await vidfab.supabase.insert("users", [{"uuid": USER, "email": "user@example.com"}])
    project = {
        "id": PROJECT,
        "user_id": USER,
        "duration": 30,
        "story_style": "auto",
        "original_script": "A cat and a man and a red door.",
        "step_4_status": "completed",
        **columns,
    }
    await vidfab.supabase.insert("video_agent_projects", [project])
    shots = [
        {"project_id": PROJECT, "shot_number": n, "description": "x", "duration_seconds": length}
        for n, length in enumerate(seconds, 1)
    ]
    await vidfab.supabase.insert("project_shots", shots)
    if clips:
        await vidfab.supabase.insert("project_video_clips", clips)


async def project_row(vidfab: VidFab) -> dict[str, Any]:
    [row] = await vidfab.supabase.rows("video_agent_projects", id=f"eq.{PROJECT}")
    return row


async def object_info(vidfab: VidFab, path: str = FILM) -> dict[str, Any]:
    found = await vidfab.supabase.request("GET", f"/storage/v1/object/info/user-videos/{path}")
    return found["metadata"]


async def stored_film(vidfab: VidFab, folder: Path) -> Probed:
    """What lies in storage, as ffmpeg reads it."""
    file = await fetch_film(vidfab, folder)
    return await Ffmpeg().probe(file)


async def fetch_film(vidfab: VidFab, folder: Path) -> Path:
    # The sandbox's client reads JSON only.
    client = vidfab.supabase._client  # pyright: ignore[reportPrivateUsage]
    response = await client.get(f"/storage/v1/object/user-videos/{FILM}")
    file = folder / "stored.mp4"
    await asyncio.to_thread(file.write_bytes, response.raise_for_status().content)
    return file


async def make_video(
    file: Path, size: str, fps: int, seconds: float, *, audio: bool = True
) -> Path:
    """A test picture, with a tone or silent."""
    tone = ["-f", "lavfi", "-i", f"sine=440:d={seconds}"] if audio else []
    command = [
        *(ffmpeg(), "-loglevel", "error", "-y", "-f", "lavfi"),
        *("-i", f"testsrc=s={size}:r={fps}:d={seconds}", *tone),
        *("-pix_fmt", "yuv420p", "-preset", "ultrafast", str(file)),
    ]
    await asyncio.to_thread(subprocess.run, command, check=True)
    return file
