"""download_video: store a user's video, and add the job of its thumbnail.

Storage paths in the payload are not trusted: the path follows from the ids.
"""

from datetime import timedelta

from bullmq_consumer import Jobs
from bullmq_consumer.new_job import NewJob
from core.columns import as_integer
from core.concurrent import begun_beside, both
from core.errors import (
    NotFound,
    ProviderDown,
    RetryableError,
    ServiceError,
    UnrecoverableError,
    UnsafeUrl,
)
from core.jobs import follow_ups
from core.jobs.data import JobData, JobResult
from core.paths import Bucket, VideoId, user_video
from core.people import Thing, thumbnail_failed
from handlers._download_display import displayed, show
from services.bundle import Context, VidfabJob
from services.storage.transfers import Stored, Transfer
from services.supabase.videos import VideoRow

jobs: Jobs[Context] = Jobs(exclude_none=True)


class Subject(JobData):
    """The fields that identify the row."""

    video_id: VideoId


class Data(Subject):
    """The payload."""

    original_url: str


class Downloaded(JobResult):
    """The video is stored, and its thumbnail's job added."""

    downloaded: bool = True
    path: str
    url: str
    file_size: int
    thumbnail_job_id: str


@jobs.job("download_video", timeout=timedelta(minutes=30), release_id=True)
async def download_video(job: VidfabJob[Data]) -> Downloaded:
    """Store the video, complete its row and add the thumbnail's job; idempotent."""
    ctx, data = job.deps, job.data
    row = await _row(ctx, data)
    await ctx.progress(10, "Preparing download...")
    path = user_video(data.user_id, data.video_id)
    thumbnail = follow_ups.generate_thumbnail(
        user_id=data.user_id, video_id=data.video_id, video_path=path
    )
    if row is not None and _is_stored(row):
        size_bytes = row.file_size
        await _schedule(ctx, thumbnail if row.thumbnail_path is None else None)
    else:
        size_bytes = await _download(ctx, data, thumbnail)
    await ctx.progress(100, "Download completed successfully")
    return Downloaded(
        path=path,
        url=await ctx.services.supabase.public_url(Bucket.VIDEOS, path),
        file_size=size_bytes or 0,
        thumbnail_job_id=thumbnail.job_id,
    )


@download_video.on_final_failure
async def on_failed(job: VidfabJob[Subject], reason: str) -> None:
    """Mark the row as failed, unless the video was stored."""
    ctx, subject = job.deps, job.data
    row = await _row(ctx, subject)
    if row is None or row.status == "completed":
        return
    message = ctx.for_people(Thing.VIDEO, reason)
    fields = {"status": "failed", "error_message": message}
    if _is_stored(row):  # only the thumbnail's job could not be added
        message = thumbnail_failed(ctx.why(reason), ctx.language)
        fields = {"status": "completed", "error_message": message}
    await ctx.services.videos.update(subject.video_id, **fields)


async def _row(ctx: Context, subject: Subject) -> VideoRow | None:
    row = await ctx.services.videos.owned(subject.video_id, subject.user_id)
    if row is not None and row.status == "deleted":
        raise NotFound(f"Video {subject.video_id} was deleted")
    return row


def _is_stored(row: VideoRow) -> bool:
    """Whether an earlier run stored it, which a second delivery must not undo."""
    return row.status in {"processing", "completed"} and bool(row.storage_path)


async def _schedule(ctx: Context, thumbnail: NewJob | None) -> None:
    await ctx.progress(95, "Scheduling thumbnail generation...")
    if thumbnail is not None:
        await ctx.enqueue(thumbnail)


async def _download(ctx: Context, data: Data, thumbnail: NewJob) -> int:
    """Store the video, record it in its row and add the thumbnail's job; returns its bytes."""
    videos = ctx.services.videos
    begun = videos.update_download(data.video_id, status="downloading", download_progress=0)
    _, stored = await begun_beside(begun, _store(ctx, data))
    # Before anything else can fail: without the row's record, a retry would download again.
    recorded = videos.update_download(
        data.video_id,
        status="processing",
        download_progress=100,
        storage_path=stored.path,
        file_size=stored.size_bytes,
    )
    await show(ctx, 100)
    await ctx.progress(90, "Getting video metadata...")
    _, seconds = await both(recorded, _seconds(ctx, stored))
    await both(_schedule(ctx, thumbnail), _record_length(ctx, data, seconds))
    return stored.size_bytes


async def _store(ctx: Context, data: Data) -> Stored:
    path = user_video(data.user_id, data.video_id)
    transfer = Transfer(data.original_url, path, ctx.workdir / "video")
    try:
        async with displayed(ctx, data.video_id, transfer):
            stored = await ctx.services.transfers.run(transfer)
    except UnsafeUrl as error:
        raise UnsafeUrl(f"Unsafe originalUrl: {error}") from error
    return stored


async def _record_length(ctx: Context, data: Data, seconds: float | None) -> None:
    """Write the duration if the probe has found one; otherwise the app may know it.

    A failure here is only logged: another attempt would not have the file.
    """
    if seconds is None:
        return
    try:
        await ctx.services.videos.update(data.video_id, duration_seconds=as_integer(seconds))
    except (ServiceError, ProviderDown) as error:
        ctx.log.warning("The length of the video was not written: {}", error)


async def _seconds(ctx: Context, stored: Stored) -> float | None:
    """The duration, None when it cannot be determined: the video is stored all the same."""
    try:
        probed = await ctx.services.ffmpeg.probe(stored.file)
    except (UnrecoverableError, RetryableError) as error:
        ctx.log.warning("The length of the video is not known: {}", error)
        return None
    return probed.duration_s or None
