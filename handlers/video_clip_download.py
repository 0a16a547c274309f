"""video_clip_download: store a generated clip before the provider's URL expires (24 h)."""

from datetime import timedelta
from typing import Any

from pydantic import Field

from bullmq_consumer import Jobs
from core.concurrent import begun_beside, both
from core.errors import UnsafeUrl
from core.jobs import follow_ups
from core.jobs.data import JobData
from core.jobs.stored_result import AlreadyStored, StoredResult
from core.paths import RowId, clip_video
from handlers._clip_row import Order, remember, row_of
from services.bundle import Context, VidfabJob
from services.storage.transfers import MP4, Stored, Transfer
from services.supabase.clips import ClipRow

jobs: Jobs[Context] = Jobs(exclude_none=True)


class Subject(JobData):
    """The fields that identify the clip."""

    project_id: RowId
    shot_number: int = Field(ge=0, le=1000)


class FailedSubject(Subject):
    """The fields that identify the clip after a failure."""

    external_url: Any = None


class Data(Subject):
    """The payload."""

    external_url: str


@jobs.job("video_clip_download", timeout=timedelta(minutes=15), release_id=True)
async def video_clip_download(job: VidfabJob[Data]) -> StoredResult | AlreadyStored:
    """Store the clip and complete its row."""
    ctx, data = job.deps, job.data
    owned = ctx.services.projects.owned(data.project_id, data.user_id)
    _, row = await both(owned, _safe_row(ctx, data))
    if row is None:
        return _outdated(data)
    if _is_stored(row, data):
        return AlreadyStored(project_id=data.project_id, shot_number=data.shot_number)
    await ctx.progress(10, f"Downloading video clip shot {data.shot_number}...")
    _, stored = await begun_beside(_begin(ctx, row), _store(ctx, data, row))
    if not await _complete(ctx, data, row, stored):
        return _outdated(data)
    await ctx.progress(100, "Download completed")
    return StoredResult(
        project_id=data.project_id,
        shot_number=data.shot_number,
        storage_path=stored.path,
        cdn_url=stored.url,
        file_size=stored.size_bytes,
    )


@video_clip_download.on_final_failure
async def on_failed(job: VidfabJob[FailedSubject], reason: str) -> None:
    """Mark the clip on its row as not stored."""
    ctx, subject = job.deps, job.data
    owned = ctx.services.projects.owned(subject.project_id, subject.user_id)
    _, row = await both(owned, row_of(ctx, _order(ctx, subject, str(subject.external_url))))
    if row is not None:
        await remember(ctx, row)
        await ctx.services.clips.fail_storing(row)


def _order(ctx: Context, subject: Subject, url: str) -> Order:
    provider_id = follow_ups.provider_in(ctx.job_id, subject.project_id, subject.shot_number)
    return Order(subject.project_id, subject.shot_number, provider_id, url)


async def _safe_row(ctx: Context, data: Data) -> ClipRow | None:
    """The clip's row. An unsafe address is refused before anything is read about the clip."""
    try:
        ctx.services.downloads.check(data.external_url)
    except UnsafeUrl as error:
        raise _unsafe(error) from error
    return await row_of(ctx, _order(ctx, data, data.external_url))


def _unsafe(error: UnsafeUrl) -> UnsafeUrl:
    return UnsafeUrl(f"Unsafe externalUrl: {error}")


def _outdated(data: Data) -> AlreadyStored:
    return AlreadyStored(
        reason="A newer clip was generated",
        project_id=data.project_id,
        shot_number=data.shot_number,
    )


def _is_stored(row: ClipRow, data: Data) -> bool:
    if row.is_stored:
        return True
    is_told_so = row.storage_status == "completed" and row.video_url_external == data.external_url
    return is_told_so and not row.shows_older_clip


async def _begin(ctx: Context, row: ClipRow) -> None:
    """Show the provider's copy until ours is there, not the clip that the row had before."""
    await remember(ctx, row)
    if row.status == "success" and row.shows_older_clip:
        await ctx.services.clips.update(row, cdn_url=None, storage_status="pending")


async def _store(ctx: Context, data: Data, row: ClipRow) -> Stored:
    generation = row.provider_id or data.external_url
    transfer = Transfer(
        data.external_url,
        clip_video(data.user_id, data.project_id, data.shot_number, row.id, generation),
        ctx.workdir / "clip",
        content_type=MP4,
        # The row's address came from Google; the job's alone is untrusted.
        with_google_key=row.is_googles and row.video_url_external == data.external_url,
    )
    try:
        return await ctx.services.transfers.run(transfer)
    except UnsafeUrl as error:
        raise _unsafe(error) from error


async def _complete(ctx: Context, data: Data, row: ClipRow, stored: Stored) -> bool:
    """Record the stored clip on its row; False when the row has another clip by now."""
    return await ctx.services.clips.update(
        row,
        video_url_external=data.external_url,
        storage_path=stored.path,
        cdn_url=stored.url,
        storage_status="completed",
        error_message=None,
    )
