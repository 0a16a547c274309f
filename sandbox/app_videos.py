"""What the app's routes do after the storyboards: clips, final video, single videos, quota."""

from datetime import UTC, datetime
from typing import Any

import httpx

from sandbox.app import Project
from sandbox.producer import NodeApp
from sandbox.providers import keys
from sandbox.supabase import SupabaseLite

_STORED = {"removeOnComplete": 50, "removeOnFail": 20}
_DEFAULTS = {"attempts": 3, "backoff": {"type": "exponential", "delay": 60_000}, **_STORED}


async def generate_clips(supabase: SupabaseLite, byteplus_url: str, project: Project) -> None:
    """Order a Seedance clip for each shot and insert the clip rows."""
    headers = {"Authorization": f"Bearer {keys.BYTEPLUS}"}
    async with httpx.AsyncClient(base_url=byteplus_url, headers=headers, trust_env=False) as client:
        rows = [
            {
                "project_id": project.id,
                "shot_number": shot.shot_number,
                "status": "generating",
                "seedance_task_id": await _order_clip(client, shot.description, shot),
            }
            for shot in project.shots
        ]
    await supabase.insert("project_video_clips", rows)
    await supabase.update(
        "video_agent_projects", {"step_4_status": "processing"}, id=f"eq.{project.id}"
    )


async def enqueue_sync(app: NodeApp, project: Project) -> str:
    """Ask how the clips are."""
    options = {"priority": 3, "attempts": 3, "backoff": _exponential(5000), **_STORED}
    return await _add(app, "va_sync_video_status", f"va_sync_{project.id}", project, options)


async def enqueue_compose(app: NodeApp, project: Project) -> str:
    """Ask for the final video; the job before it is removed first, as the app does."""
    job_id = f"va_compose_{project.id}"
    await app.remove(job_id)
    options = {"priority": 3, "attempts": 3, "backoff": _exponential(10_000), **_STORED}
    return await _add(app, "va_compose_video", job_id, project, options)


async def enqueue_video(
    app: NodeApp, supabase: SupabaseLite, user_id: str, video_id: str, url: str
) -> str:
    """Insert a single video's row and ask for its download."""
    settings = {"model": "m", "duration": "5", "resolution": "720p", "aspectRatio": "16:9"}
    row = {
        "id": video_id,
        "user_id": user_id,
        "wavespeed_request_id": f"ws-{video_id}",
        "prompt": "A user's own video",
        "settings": settings,
        "original_url": url,
        "status": "generating",
    }
    await supabase.insert("user_videos", [row])
    job_id = f"download_{video_id}"
    data = {
        **_data("download_video", job_id, user_id, video_id),
        "wavespeedRequestId": row["wavespeed_request_id"],
        "originalUrl": url,
        "storagePath": f"videos/{user_id}/{video_id}.mp4",
        "settings": settings,
    }
    return await app.add("download_video", data, {"jobId": job_id, "priority": 4, **_DEFAULTS})


async def enqueue_quota(app: NodeApp, user_id: str, video_id: str) -> str:
    """Ask for the user's quota to be counted anew."""
    job_id = f"quota_{user_id}_recalculate"
    data = {**_data("update_quota", job_id, user_id, video_id), "operation": "recalculate"}
    return await app.add("update_quota", data, {"jobId": job_id, "priority": 4, **_DEFAULTS})


async def enqueue_cleanup(app: NodeApp, user_id: str, video_id: str, urls: list[str]) -> str:
    """Ask for temporary files to be removed."""
    job_id = f"cleanup_{video_id}"
    data = {
        **_data("cleanup_temp", job_id, user_id, video_id),
        "tempUrls": urls,
        "cleanupAfter": _now(),
    }
    return await app.add("cleanup_temp", data, {"jobId": job_id, "priority": 4, **_DEFAULTS})


async def _order_clip(client: httpx.AsyncClient, text: str, shot: Any) -> str:
    prompt = f"Shot {shot.shot_number}. {text} --duration {shot.duration_seconds}"
    body = {"model": "seedance-1-0-pro-250528", "content": [{"type": "text", "text": prompt}]}
    answer = await client.post("/contents/generations/tasks", json=body)
    return answer.raise_for_status().json()["id"]


async def _add(
    app: NodeApp, name: str, job_id: str, project: Project, options: dict[str, Any]
) -> str:
    data = {**_data(name, job_id, project.user_id, project.id), "projectId": project.id}
    return await app.add(name, data, {"jobId": job_id, **options})


def _data(name: str, job_id: str, user_id: str, video_id: str) -> dict[str, Any]:
    return {
        "type": name,
        "jobId": job_id,
        "userId": user_id,
        "videoId": video_id,
        "createdAt": _now(),
    }


def _exponential(delay_ms: int) -> dict[str, Any]:
    return {"type": "exponential", "delay": delay_ms}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
