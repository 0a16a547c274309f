"""Clips of the recordings' project, and the jobs that ask for them."""

from typing import Any

from sandbox.vidfab import VidFab
from tests.support.recordings import PROJECT, USER
from tests.support.site import Site
from tests.support.storyboards import lay_project

SYNC = f"va_sync_{PROJECT}"
TASK = "/ark/api/v3/contents/generations/tasks/{}"


def clip(shot_number: int, **columns: Any) -> dict[str, Any]:
    """A row as the app's route leaves it when it has ordered the clip."""
    row = {
        "id": f"44444444-4444-4444-8444-000001{shot_number:06d}",
        "project_id": PROJECT,
        "shot_number": shot_number,
        "status": "generating",
        "seedance_task_id": f"t{shot_number}",
    }
    empty = dict.fromkeys(("video_request_id", "video_url", "video_url_external", "storage_status"))
    return {**empty, **row, **columns}


async def lay_clips(vidfab: VidFab, *rows: dict[str, Any]) -> None:
    """The project in step 4 with these clips."""
    await lay_project(vidfab)
    await vidfab.supabase.update(
        "video_agent_projects", {"step_4_status": "processing"}, id=f"eq.{PROJECT}"
    )
    if rows:
        await vidfab.supabase.insert("project_video_clips", rows)


async def clips(vidfab: VidFab) -> dict[int, dict[str, Any]]:
    """The project's clips by shot number."""
    rows = await vidfab.supabase.rows("project_video_clips", project_id=f"eq.{PROJECT}")
    return {row["shot_number"]: row for row in rows}


async def step_4_status(vidfab: VidFab) -> str:
    [project] = await vidfab.supabase.rows("video_agent_projects", id=f"eq.{PROJECT}")
    return project["step_4_status"]


async def sync(site: Site, job_id: str = SYNC, **change: Any) -> str:
    """Enqueue as the app's route does."""
    data = {"jobId": job_id, "userId": USER, "videoId": PROJECT, "projectId": PROJECT, **change}
    options = {
        "jobId": job_id,
        "priority": 3,
        "attempts": 3,
        "backoff": {"type": "exponential", "delay": 50},
        "removeOnComplete": 50,
        "removeOnFail": 20,
    }
    return await site.app.add("va_sync_video_status", data, options)


def download_id(shot_number: int, provider_id: str) -> str:
    return f"va_clip_download_{PROJECT}_{shot_number}_{provider_id}"


def waited(site: Site, prefix: str) -> list[str | None]:
    """The ids under which jobs were added, each time one was."""
    added = (event.job_id for event in site.app.events if event.name == "added")
    return [job_id for job_id in added if (job_id or "").startswith(prefix)]
