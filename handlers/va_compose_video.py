"""va_compose_video: join a project's clips to its final video and store it.

Shotstack renders it, or ffmpeg on this machine. The id of a render is kept by project before it is
waited for, so that a retry, a hand-back, a crash or a new job for the same film resumes it; once
the film is stored, only the row is left to write.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bullmq_consumer import JobFields, Jobs
from core.concurrent import both, both_or_neither
from core.errors import ClipNotStored, PermanentError, UnsafeUrl
from core.jobs.data import JobData, JobResult
from core.paths import RowId, final_video
from core.people import Cause, Thing
from core.timeline import Scene, Timeline, timeline
from handlers._film.clips import Clips, clips_of, read_clips
from handlers._film.heartbeat import beating
from handlers._film.local import local_film, made_here
from handlers._film.patience import Patience, forget_patience
from handlers._film.render import Render, adopted
from services.bundle import Context, VidfabJob
from services.films.kept import KeptFilm
from services.films.renders import Order
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
    async with Patience(ctx) as patience:
        owned = ctx.services.projects.owned(data.project_id, data.user_id)
        project, beginning = await both(owned, _beginning(ctx, data.project_id))
        patience.begin(project)
        making = _film_of(ctx, project, beginning, patience)
        finished, _ = await both_or_neither(making, patience.keep())
        await ctx.progress(95, "Saving final video metadata...")
        # Should the row alone be written, the next attempt would only store the film again.
        await both(finished.keep(), ctx.services.films.record(project, finished.stored))
    await ctx.progress(100, "Compose completed")
    return finished.result


@va_compose_video.on_final_failure
async def on_failed(job: VidfabJob[Subject], reason: str) -> None:
    """Mark the project's final video as failed, so that the user can try again."""
    ctx, subject = job.deps, job.data
    project = await ctx.services.projects.owned(subject.project_id, subject.user_id)
    await ctx.services.projects.fail_composition(project.id)
    await forget_patience(ctx)


@dataclass(frozen=True, slots=True)
class _Beginning:
    """What is read beside the project: its clips, and what is kept of its last film."""

    clips: Clips
    kept: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Finished:
    """A film in storage; `kept` is where its result is still to be kept."""

    result: Result
    kept: KeptFilm | None = None

    @property
    def stored(self) -> StoredFilm:
        video = self.result.video
        return StoredFilm(video.url, video.file_size, video.resolution)

    async def keep(self) -> None:
        if self.kept is not None:
            await self.kept.keep_stored(self.result.model_dump_json(by_alias=True))


async def _beginning(ctx: Context, project_id: RowId) -> _Beginning:
    kept = ctx.services.kept_films.read(project_id)
    return _Beginning(*await both(read_clips(ctx, project_id), kept))


async def _film_of(
    ctx: Context, project: Project, beginning: _Beginning, patience: Patience
) -> _Finished:
    """The project's film: stored by an earlier job, or made and stored now."""
    if project.step_4_status != _READY:
        found = f"Videos not ready (step_4_status={project.step_4_status})"
        raise PermanentError(found, cause=Cause.NOT_READY)
    await ctx.progress(10, "Loading clips...")
    found = await _timeline(ctx, project, beginning.clips)
    kept = ctx.services.kept_films.of(project.id, found.fingerprint(_made_by(ctx, project)))
    before = kept.found_in(beginning.kept)
    if result := await _stored_before(ctx, project, before.stored):
        return _Finished(result)
    order = before.order or await adopted(ctx, kept)
    async with beating(ctx, project):
        made = await Composition(ctx, project, found, kept, patience).made(order)
        return _Finished(made, kept)


def _made_by(ctx: Context, project: Project) -> str:
    return made_here(project) if ctx.services.shotstack is None else "Shotstack"


async def _stored_before(ctx: Context, project: Project, kept: str | None) -> Result | None:
    """The result of an earlier job that stored the film, if that is still there."""
    try:
        result = None if kept is None else Result.model_validate_json(kept)
    except ValidationError:
        return None
    if result is None or not await ctx.services.films.is_stored(project, result.video.file_size):
        return None
    return result


async def _timeline(ctx: Context, project: Project, first: Clips) -> Timeline:
    clips = await clips_of(ctx, project.id, first)
    found = timeline(clips.rows, clips.lengths(), project.aspect_ratio)
    if not found.scenes:
        raise PermanentError("The project has no finished clips to compose", cause=Cause.NO_CLIPS)
    return found


@dataclass(frozen=True, slots=True)
class Composition:
    """One attempt at one film."""

    ctx: Context
    project: Project
    timeline: Timeline
    kept: KeptFilm
    patience: Patience

    async def made(self, order: Order | None) -> Result:
        """Make the film, of `order` if it was ordered before, and store it."""
        ctx, project = self.ctx, self.project
        await ctx.services.projects.update(
            project.id, status="processing", step_6_status="processing"
        )
        film = await self._film(order)
        await ctx.progress(90, "Uploading final video to permanent storage...")
        url = await ctx.services.films.store(project, film)
        await self.patience.progressed()
        return Result(estimated_duration=self.timeline.seconds, video=_video(project, film, url))

    async def _film(self, order: Order | None) -> Film:
        file = await self._file(order)
        probed = await self.ctx.services.ffmpeg.probe(file)
        return Film(file, file.stat().st_size, probed.width, probed.height, probed.duration_s)

    async def _file(self, order: Order | None) -> Path:
        ctx, shotstack = self.ctx, self.ctx.services.shotstack
        if shotstack is None:
            await self.kept.begin(time.time())
            return await local_film(ctx, self.project, self.timeline, self.patience)
        if order is None:
            for scene in self.timeline.scenes:
                _check_reachable(ctx, scene, self.project)
        return await Render(ctx, shotstack, self.kept, self.patience).film(self.timeline, order)


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


def _video(project: Project, film: Film, url: str) -> Video:
    return Video(
        storage_key=final_video(project.user_id, project.id),
        url=url,
        file_size=film.size_bytes,
        resolution=film.resolution,
        duration=round(film.seconds, 2),
    )
