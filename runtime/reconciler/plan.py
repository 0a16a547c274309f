"""Decides how to repair a waiting project: by its job's state, or by its rows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel

from bullmq_consumer.inspect.states import JobState, State
from core.jobs.envelope import iso
from core.paths import final_video
from services.supabase.projects import WaitingProject
from services.supabase.storyboards import StoryboardRow


@dataclass(frozen=True, slots=True)
class LeaveAlone:
    """The job is alive, and will finalise the project itself."""


@dataclass(frozen=True, slots=True)
class Repair:
    """The job has done its work; `columns` are the film's, from its result."""

    columns: dict[str, Any]


@dataclass(frozen=True, slots=True)
class MarkFailed:
    """No job will finalise the project; `found` is what became of it."""

    found: str


Plan = LeaveAlone | Repair | MarkFailed
StoryboardsStatus = Literal["completed", "partial", "failed"]


def plan_repair(project: WaitingProject, job: JobState) -> Plan:
    """The repair of a project that waits for its final video."""
    if job.state is State.UNFINISHED:
        return LeaveAlone()
    if job.state is State.FAILED:
        return MarkFailed(f"its job failed: {job.failed_reason or 'no reason given'}")
    if job.state is State.GONE:
        return MarkFailed("its job is not in the queue")
    video = _video(job.returnvalue)
    if video is None:
        return MarkFailed("its job completed without a video")
    return Repair(_columns(project, job, video))


def storyboards_status(rows: Sequence[StoryboardRow]) -> StoryboardsStatus | None:
    """The final status of step 3 by its current rows, None while one is still `generating`.

    None also without rows: whoever resets the step deletes them first.
    """
    statuses = [row.status for row in rows]
    if not statuses or "generating" in statuses:
        return None
    if "success" not in statuses:
        return "failed"
    return "completed" if set(statuses) == {"success"} else "partial"


def _none_if_wrong(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Invalid metadata must not keep the video itself from its owner."""
    try:
        return validate(value)
    except ValidationError:
        return None


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Video(_Part):
    """The column holds `1920x1080`, ten characters; the Node worker gives 0 for an unknown size."""

    url: str = Field(pattern=r"^https?://[!-~]+$", max_length=2048)
    file_size: Annotated[
        Annotated[int, Field(gt=0, lt=2**63)] | None, WrapValidator(_none_if_wrong)
    ] = None
    resolution: Annotated[
        Annotated[str, Field(pattern=r"^[0-9]{1,4}x[0-9]{1,5}$")] | None,
        WrapValidator(_none_if_wrong),
    ] = None


class _Composed(_Part):
    composed: Literal[True]
    video: _Video


class _Envelope(_Part):
    data: _Composed


def _video(returnvalue: str | None) -> _Video | None:
    try:
        return _Envelope.model_validate_json(returnvalue or "").data.video
    except ValidationError:
        return None


def _columns(project: WaitingProject, job: JobState, video: _Video) -> dict[str, Any]:
    known = {
        "final_video_url": video.url,
        "final_video_storage_path": final_video(project.user_id, project.id),
        "final_video_file_size": video.file_size,
        "final_video_resolution": video.resolution,
        "completed_at": iso(job.finished_at) if job.finished_at else None,
    }
    return {name: value for name, value in known.items() if value is not None}
