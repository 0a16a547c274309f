"""generate_thumbnail: a frame of a stored video as a picture, for the app's lists.

The app shows the video with or without it: a failure here never fails the video.
"""

from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

from bullmq_consumer import Jobs
from core.concurrent import both_or_neither
from core.errors import NotFound
from core.jobs.data import JobData, JobResult
from core.paths import Bucket, PlainId, is_video_of, thumbnail
from core.people import thumbnail_failed
from services.bundle import Context, VidfabJob
from services.media.ffmpeg import NoFrame, PictureFormat
from services.storage.transfers import MAX_VIDEO_BYTES
from services.supabase.videos import VideoRow

jobs: Jobs[Context] = Jobs(exclude_none=True)

_CONTENT_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_MAX_AGE_S = 3600


class Subject(JobData):
    """The fields that identify the row."""

    video_id: PlainId


class ThumbnailSettings(BaseModel):
    """The requested picture; `time_offset` in seconds."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )

    width: int = Field(default=1280, ge=16, le=4096)
    height: int = Field(default=720, ge=16, le=4096)
    quality: int = Field(default=80, ge=1, le=100)
    format: PictureFormat = "jpg"
    time_offset: float = Field(default=1, ge=0, le=86_400, allow_inf_nan=False)


class Data(Subject):
    """The payload. Its `thumbnailPath` is not read: the path follows from user and video."""

    video_path: str = Field(max_length=1024)
    thumbnail_settings: ThumbnailSettings = ThumbnailSettings()

    @field_validator("video_path")
    @classmethod
    def _is_the_users(cls, value: str, info: ValidationInfo) -> str:
        if "user_id" in info.data and not is_video_of(info.data["user_id"], value):
            raise ValueError("must be a file in the user's own folder, such as videos/{userId}/…")
        return value


class Result(JobResult):
    """The picture was stored."""

    generated: bool = True
    path: str
    url: str


@jobs.job("generate_thumbnail", timeout=timedelta(minutes=15), release_id=True)
async def generate_thumbnail(job: VidfabJob[Data]) -> Result:
    """Fetch the video, extract a frame and store it."""
    ctx, data = job.deps, job.data
    await ctx.progress(10, "Preparing thumbnail generation...")
    video = ctx.workdir / "video"
    fetched = ctx.services.supabase.download_to(
        Bucket.VIDEOS, data.video_path, video, max_bytes=MAX_VIDEO_BYTES
    )
    await both_or_neither(_video(ctx, data), fetched)
    await ctx.progress(30, "Generating thumbnail from video...")
    picture = await _picture(ctx, video, data.thumbnail_settings)
    await ctx.progress(70, "Uploading thumbnail...")
    result = await _store(ctx, data, picture)
    await ctx.progress(90, "Updating video record...")
    fields = {"status": "completed", "thumbnail_path": result.path, "error_message": None}
    await ctx.services.videos.update(data.video_id, **fields)
    await ctx.progress(100, "Thumbnail generation completed")
    return result


@generate_thumbnail.on_final_failure
async def on_failed(job: VidfabJob[Subject], reason: str) -> None:
    """Complete the video all the same, with a sentence about its thumbnail on its row."""
    ctx, subject = job.deps, job.data
    video = await _video(ctx, subject)
    if video is not None and video.thumbnail_path is not None and video.status == "completed":
        return  # a second delivery failed where the first had succeeded
    message = thumbnail_failed(ctx.why(reason), ctx.language)
    fields = {"status": "completed", "error_message": message}
    await ctx.services.videos.update(subject.video_id, **fields)


async def _video(ctx: Context, subject: Subject) -> VideoRow | None:
    """The row, None for a temporary video. Raises NotFound for a deleted one."""
    video = await ctx.services.videos.owned(subject.video_id, subject.user_id)
    if video is not None and video.status == "deleted":
        raise NotFound(f"Video {subject.video_id} was deleted")
    return video


async def _picture(ctx: Context, video: Path, settings: ThumbnailSettings) -> Path:
    """A frame from the first candidate time at which the video has one."""
    probed = await ctx.services.ffmpeg.probe(video)
    *moments, last = _moments(settings.time_offset, probed.duration_s)
    for moment in moments:
        try:
            return await _frame(ctx, video, moment, settings)
        except NoFrame as error:
            ctx.log.debug("{}", error)
    return await _frame(ctx, video, last, settings)


def _moments(offset_s: float, duration_s: float) -> list[float]:
    """Candidate times: the offset, if the video is longer, then its middle and its start."""
    middle = duration_s / 2
    wished = offset_s if offset_s < duration_s else middle
    return list(dict.fromkeys([wished, middle, 0.0]))


async def _frame(ctx: Context, video: Path, at_s: float, settings: ThumbnailSettings) -> Path:
    picture = ctx.workdir / f"frame-{at_s:.3f}"
    await ctx.services.ffmpeg.frame(
        video,
        at_s,
        picture,
        width=settings.width,
        height=settings.height,
        picture_format=settings.format,
        quality=settings.quality,
    )
    return picture


async def _store(ctx: Context, data: Data, picture: Path) -> Result:
    path = thumbnail(data.user_id, data.video_id)
    url = await ctx.services.supabase.upload(
        Bucket.THUMBNAILS,
        path,
        picture,
        content_type=_CONTENT_TYPES[data.thumbnail_settings.format],
        max_age_s=_MAX_AGE_S,
    )
    return Result(path=path, url=url)
