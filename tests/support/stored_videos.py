"""A clip and a single video of the recordings in the database."""

from hashlib import sha256
from typing import Any

from sandbox.processes import SandboxError
from sandbox.vidfab import VidFab
from tests.support.recordings import PROJECT, USER

VIDEO = "22222222-2222-4222-8222-222222222222"
CLIP = "44444444-4444-4444-8444-444444444444"


async def lay_user(vidfab: VidFab) -> None:
    if not await vidfab.supabase.rows("users", uuid=f"eq.{USER}"):
        await vidfab.supabase.insert("users", [{"uuid": USER, "email": "user@example.com"}])


async def lay_clip(vidfab: VidFab, **columns: Any) -> None:
    """The project, and the generated clip of its shot 1."""
    await lay_user(vidfab)
    project = {"id": PROJECT, "user_id": USER, "duration": 30, "story_style": "auto"}
    await vidfab.supabase.insert("video_agent_projects", [{**project, "original_script": "A cat."}])
    clip = {"id": CLIP, "project_id": PROJECT, "shot_number": 1, "status": "success"}
    row = {**clip, "storage_status": "pending", **columns}
    await vidfab.supabase.insert("project_video_clips", [row])


def clip_path(generation: str) -> str:
    """Where that clip lies; `generation` is the provider's id of it, or its URL without one."""
    mark = sha256(generation.encode()).hexdigest()[:10]
    return f"videos/{USER}/video-agent/{PROJECT}/clips/shot-1-{CLIP}-{mark}.mp4"


async def lay_video(vidfab: VidFab, **columns: Any) -> None:
    """The row as the app inserts it before it enqueues."""
    await lay_user(vidfab)
    row = {"id": VIDEO, "user_id": USER, "wavespeed_request_id": "ws-1", "prompt": "A cat"}
    await vidfab.supabase.insert("user_videos", [{**row, "settings": {}, **columns}])


async def clip_row(vidfab: VidFab) -> dict[str, Any]:
    [row] = await vidfab.supabase.rows("project_video_clips", project_id=f"eq.{PROJECT}")
    return row


async def video_row(vidfab: VidFab) -> dict[str, Any]:
    [row] = await vidfab.supabase.rows("user_videos", id=f"eq.{VIDEO}")
    return row


async def object_info(vidfab: VidFab, path: str) -> dict[str, Any]:
    """Size, mimetype and cacheControl of an object in `user-videos`. Raises SandboxError."""
    found = await vidfab.supabase.request("GET", f"/storage/v1/object/info/user-videos/{path}")
    return found["metadata"]


async def is_stored(vidfab: VidFab, path: str) -> bool:
    try:
        await object_info(vidfab, path)
    except SandboxError:
        return False
    return True
