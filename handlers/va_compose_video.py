"""va_compose_video: join a project's clips to its final video and store it.

Shotstack renders it, or ffmpeg on this machine. The id of a render is saved with the job before
waiting for it, so that a retry, a hand-back or a crash resumes it; once the film is stored, only
the row is left to write.
"""

from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from bullmq_consumer import JobFields, Jobs
from core.errors import ClipNotStored, PermanentError, UnsafeUrl
from core.jobs.data import JobData, JobResult
from core.paths import RowId, final_video
from core.people import Cause, Thing
from core.timeline import Scene, Timeline, timeline
from handlers._film.local import local_film
from handlers._film.render import Render
from services.bundle import Context, VidfabJob
from services.storage.films import Film, StoredFilm
from services.supabase.projects import Project

jobs: Jobs[Context] = Jobs(exclude_none=True)

_READY = "completed"
# The pause while a clip's own download runs, which may take twenty times as long.
_STORING = timedelta(seconds=15)


class Subject(JobData):
    """The fields that identify the project."""

    project_id: RowId


class Data(Subject):
    """The payload."""


class Video(JobResult):
    """The stored film; `duration` in seconds, `resolution` as in `1920x1080`.

    `storage_key` is its path in the bucket, by which the app repairs a project.
    """

    url: str
    file_size: int
    resolution: str
    duration: float
    storage_key: str


class Result(JobResult):
    """`estimated_duration`: the sum of the shots' lengths in seconds."""

    composed: bool = True
    estimated_duration: int
    video: Video


def for_people(job: JobFields[Any, Context], error: Exception) -> str:
    """What the app prints when there will be no film."""
    return job.deps.for_people(Thing.FILM, str(error))


@jobs.job(
    "va_compose_video",
    timeout=timedelta(minutes=30),
    hide_retries=True,
    public_reason=for_people,
)
async def va_compose_video(job: VidfabJob[Data]) -> Result:
    """Compose, store and record the final video."""
    ctx, data = job.deps, job.data
    await ctx.progress(5, "Loading project...")
    project = await ctx.services.projects.owned(data.project_id, data.user_id)
    result = _stored_before(ctx) or await _compose(ctx, project)
    await ctx.progress(95, "Saving final video metadata...")
    video = result.video
    stored = StoredFilm(video.url, video.file_size, video.resolution)
    await ctx.services.films.record(project, stored)
    await ctx.progress(100, "Compose completed")
    return result


@va_compose_video.on_final_failure
async def on_failed(job: VidfabJob[Subject], reason: str) -> None:
    """Mark the project's final video as failed, so that the user can try again."""
    ctx, subject = job.deps, job.data
    project = await ctx.services.projects.owned(subject.project_id, subject.user_id)
    await ctx.services.projects.fail_composition(project.id)


def _stored_before(ctx: Context) -> Result | None:
    """The result of an earlier delivery that stored the film; None if there is none."""
    try:
        return Result.model_validate(ctx.checkpoint_fields.get("stored"))
    except ValidationError:
        return None


async def _compose(ctx: Context, project: Project) -> Result:
    """Make the film and store it."""
    if project.step_4_status != _READY:
        found = f"Videos not ready (step_4_status={project.step_4_status})"
        raise PermanentError(found, cause=Cause.NOT_READY)
    await ctx.services.projects.update(project.id, status="processing", step_6_status="processing")
    await ctx.progress(10, "Loading clips...")
    found = await _timeline(ctx, project)
    film = await _film(ctx, project, found)
    await ctx.progress(90, "Uploading final video to permanent storage...")
    url = await ctx.services.films.store(project, film)
    result = Result(estimated_duration=found.seconds, video=_video(project, film, url))
    await ctx.checkpoint(stored=result.payload())
    return result


async def _timeline(ctx: Context, project: Project) -> Timeline:
    clips = await ctx.services.clips.of_project(project.id)
    lengths = await ctx.services.shots.seconds(project.id)
    found = timeline(clips, lengths, project.aspect_ratio)
    if not found.scenes:
        raise PermanentError("The project has no finished clips to compose", cause=Cause.NO_CLIPS)
    if ctx.services.shotstack is not None and ctx.checkpoint_fields.get("render") is None:
        for scene in found.scenes:
            _check_reachable(ctx, scene, project)
    return found


def _check_reachable(ctx: Context, scene: Scene, project: Project) -> None:
    """Check that Shotstack may and can fetch the clip. Raises ClipNotStored, to wait for it."""
    try:
        if ctx.services.clip_files.own_object(scene.url, project.user_id):
            return
        if scene.is_googles:  # Google's files require a key that Shotstack does not have
            raise ClipNotStored(_STORING, f"The clip of shot {scene.shot_number} is not stored yet")
        ctx.services.downloads.check(scene.url)
    except UnsafeUrl as error:
        raise UnsafeUrl(
            f"Unsafe clip of shot {scene.shot_number}: {error}",
            cause=Cause.UNUSABLE_CLIPS,
            shots=[scene.shot_number],
        ) from error


async def _film(ctx: Context, project: Project, found: Timeline) -> Film:
    shotstack = ctx.services.shotstack
    if shotstack is None:
        file = await local_film(ctx, project, found)
    else:
        file = await Render(ctx, shotstack).film(found)
    probed = await ctx.services.ffmpeg.probe(file)
    return Film(file, file.stat().st_size, probed.width, probed.height, probed.duration_s)


def _video(project: Project, film: Film, url: str) -> Video:
    return Video(
        storage_key=final_video(project.user_id, project.id),
        url=url,
        file_size=film.size_bytes,
        resolution=film.resolution,
        duration=round(film.seconds, 2),
    )
