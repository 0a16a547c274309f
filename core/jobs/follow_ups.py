"""Jobs that jobs add: their names, ids, data and options, exactly as the app knows them.

Adding the id of an unfinished job is a no-op. All have a priority, 1 critical … 4 low: a pause by
Node can lose jobs without one.
"""

from datetime import UTC, datetime
from typing import Any

from bullmq_consumer.new_job import NewJob
from core.jobs.envelope import iso
from core.paths import PlainId, RowId, thumbnail


def storyboard_download(
    *,
    user_id: PlainId,
    project_id: RowId,
    shot_number: int,
    storyboard_id: RowId,
    external_url: str,
    priority: int,
    remove_on_complete: bool | int | None = None,
) -> NewJob:
    """Store one generated picture. Its id contains the row's id, so each version is stored."""
    job_id = f"storyboard_download_{project_id}_{shot_number}_{storyboard_id}"
    data = {
        **_common(job_id, user_id, project_id),
        "projectId": project_id,
        "shotNumber": shot_number,
        "storyboardId": storyboard_id,
        "externalUrl": external_url,
    }
    return NewJob(
        "storyboard_download",
        job_id,
        data,
        priority=priority,
        attempts=3,
        remove_on_complete=remove_on_complete,
        remove_on_fail=20,
    )


def video_clip_download(
    *,
    user_id: PlainId,
    project_id: RowId,
    shot_number: int,
    provider_id: str,
    external_url: str,
) -> NewJob:
    """Store one generated clip. Its id contains the provider's id: each generation is stored."""
    job_id = _clip_download(project_id, shot_number) + in_job_id(provider_id)
    data = {
        **_common(job_id, user_id, project_id),
        "projectId": project_id,
        "shotNumber": shot_number,
        "externalUrl": external_url,
    }
    return NewJob("video_clip_download", job_id, data, priority=3, attempts=6, backoff_ms=10_000)


def va_sync_video_status(*, user_id: PlainId, project_id: RowId) -> NewJob:
    """Ask the providers about the project's clips, as the app does."""
    name, job_id = "va_sync_video_status", f"va_sync_{project_id}"
    data = {"type": name, **_common(job_id, user_id, project_id), "projectId": project_id}
    return NewJob(name, job_id, data, priority=3, attempts=3, backoff_ms=5_000)


def generate_thumbnail(*, user_id: PlainId, video_id: PlainId, video_path: str) -> NewJob:
    """Make a picture of a stored video, for lists: 1280x720, from its first second."""
    job_id = f"thumbnail_{video_id}"
    data = {
        **_common(job_id, user_id, video_id),
        "videoPath": video_path,
        "thumbnailPath": thumbnail(user_id, video_id),
        "thumbnailSettings": {
            "width": 1280,
            "height": 720,
            "quality": 80,
            "format": "jpg",
            "timeOffset": 1,
        },
    }
    return NewJob("generate_thumbnail", job_id, data, priority=3)


def provider_in(job_id: str, project_id: RowId, shot_number: int) -> str:
    """The provider's id, as `in_job_id` writes it, in the id of a clip's download; else empty."""
    prefix = _clip_download(project_id, shot_number)
    return job_id.removeprefix(prefix) if job_id.startswith(prefix) else ""


def in_job_id(text: str) -> str:
    """A text for a job id: `:`, which BullMQ refuses there, and `/` become `_`, as in the app."""
    return text.replace(":", "_").replace("/", "_")


def _clip_download(project_id: RowId, shot_number: int) -> str:
    return f"va_clip_download_{project_id}_{shot_number}_"


def _common(job_id: str, user_id: PlainId, video_id: str) -> dict[str, Any]:
    return {
        "jobId": job_id,
        "userId": user_id,
        "videoId": video_id,
        "createdAt": iso(datetime.now(UTC)),
    }
