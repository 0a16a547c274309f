"""video_clip_download: keep a generated clip before the provider's URL ends (24 h)."""

from datetime import timedelta
from typing import Any

from pydantic import Field

from core import follow_ups
from core.errors import NotFound, UnsafeUrl
from core.job_data import JobData, JobResult
from core.kept import AlreadyKept, Kept
from core.paths import RowId, clip_video
from core.registry import job
from services.bundle import Context
from services.clips import ClipRow
from services.transfers import MP4, Stored, Transfer


class Subject(JobData):
    """What names the row."""

    project_id: RowId
    shot_number: int = Field(ge=0, le=1000)


class Settled(Subject):
    """What names the row after a failure, and the clip that it was about."""

    external_url: Any = None


class Data(Subject):
    """The payload."""

    external_url: str


@job("video_clip_download", timeout=timedelta(minutes=15), frees_id=True)
async def video_clip_download(ctx: Context, data: Data) -> JobResult:
    """Store the clip and complete its row."""
    await ctx.services.projects.owned(data.project_id, data.user_id)
    row = await _row(ctx, data)
    if row.storage_status == "completed" and row.video_url_external == data.external_url:
        return AlreadyKept(project_id=data.project_id, shot_number=data.shot_number)
    if _is_superseded(row, data.external_url):
        if ctx.checkpoint_fields.get("overwrote"):
            return await _make_way(ctx, data, row)
        return _outdated(data)
    await ctx.progress(10, f"Downloading video clip shot {data.shot_number}...")
    # Should a newer clip come meanwhile, this attempt or the next one has to store that again.
    await ctx.checkpoint(overwrote=True)
    stored = await _store(ctx, data, row)
    newest = await _row(ctx, data)
    if _is_superseded(newest, data.external_url):
        return await _make_way(ctx, data, newest)
    await ctx.services.clips.update(
        row,
        video_url_external=data.external_url,
        storage_path=stored.path,
        cdn_url=stored.url,
        storage_status="completed",
        error_message=None,
    )
    await ctx.progress(100, "Download completed")
    return Kept(
        project_id=data.project_id,
        shot_number=data.shot_number,
        storage_path=stored.path,
        cdn_url=stored.url,
        file_size=stored.size_bytes,
    )


@video_clip_download.on_failure
async def settle(ctx: Context, subject: Settled, reason: str) -> None:
    """Show on the row that the clip could not be kept."""
    await ctx.services.projects.owned(subject.project_id, subject.user_id)
    row = await _row(ctx, subject)
    if row.storage_status != "completed" and not _is_superseded(row, str(subject.external_url)):
        fields = {"storage_status": "failed", "error_message": reason}
        await ctx.services.clips.update(row, **fields)


def _outdated(data: Data) -> AlreadyKept:
    return AlreadyKept(
        reason="A newer clip was generated",
        project_id=data.project_id,
        shot_number=data.shot_number,
    )


async def _make_way(ctx: Context, data: Data, newest: ClipRow) -> AlreadyKept:
    """A newer clip came while this one was stored at its path: have that one stored again."""
    if newest.status == "success":
        await ctx.services.clips.update(newest, storage_status="pending")
        again = follow_ups.video_clip_download(
            user_id=data.user_id,
            project_id=data.project_id,
            shot_number=data.shot_number,
            provider_id=newest.provider_id,
            external_url=newest.video_url_external or "",
        )
        await ctx.enqueue(again)
    return _outdated(data)


def _is_superseded(row: ClipRow, external_url: str) -> bool:
    """Whether the shot's row is about another clip by now: both lie at the same path."""
    return row.video_url_external not in {None, external_url}


async def _row(ctx: Context, subject: Subject) -> ClipRow:
    row = await ctx.services.clips.find(subject.project_id, subject.shot_number)
    if row is None:
        raise NotFound(f"Project {subject.project_id} has no clip for shot {subject.shot_number}")
    return row


async def _store(ctx: Context, data: Data, row: ClipRow) -> Stored:
    transfer = Transfer(
        data.external_url,
        clip_video(data.user_id, data.project_id, data.shot_number),
        ctx.workdir / "clip",
        content_type=MP4,
        # The row's address is what Google answered; the job's alone could be anybody's.
        with_google_key=row.is_googles and row.video_url_external == data.external_url,
    )
    try:
        return await ctx.services.transfers.run(transfer)
    except UnsafeUrl as error:
        raise UnsafeUrl(f"Unsafe externalUrl: {error}") from error
