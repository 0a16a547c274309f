"""storyboard_download: store a generated picture before the provider's URL expires (24 h).

With shot number 0 or the URL `__BATCH__` it adds one such job for each picture not yet stored.
"""

from datetime import timedelta
from typing import Any, Self

from pydantic import Field, model_validator

from bullmq_consumer import Jobs
from core.concurrent import both
from core.errors import UnsafeUrl
from core.jobs import follow_ups
from core.jobs.data import JobData, JobResult
from core.jobs.stored_result import AlreadyStored, StoredResult
from core.paths import RowId
from core.people import Thing
from handlers._storyboard_row import Order, row_of
from services.bundle import Context, VidfabJob
from services.net.content import Kind
from services.supabase.storyboards import MAX_IMAGE_BYTES, Picture, StoryboardRow

jobs: Jobs[Context] = Jobs(exclude_none=True)

_BATCH_URL = "__BATCH__"
_BATCH_PRIORITY = 2


class Subject(JobData):
    """The fields that identify the row."""

    project_id: RowId
    shot_number: int = Field(ge=0, le=1000)
    storyboard_id: RowId | None = None
    external_url: Any = None

    @property
    def is_batch(self) -> bool:
        """Whether this job only adds others."""
        return self.shot_number == 0 or self.external_url == _BATCH_URL


class Data(Subject):
    """The payload; the batch form needs no URL."""

    external_url: str = ""

    @model_validator(mode="after")
    def _has_url(self) -> Self:
        if not self.is_batch and not self.external_url:
            raise ValueError("externalUrl is missing")
        return self


class Batch(JobResult):
    """Jobs were added."""

    downloaded: bool = False
    batch: bool = True
    project_id: str
    enqueued: int


@jobs.job("storyboard_download", timeout=timedelta(minutes=5), release_id=True)
async def storyboard_download(job: VidfabJob[Data]) -> StoredResult | AlreadyStored | Batch:
    """Store one picture, or add a job for each picture that is not stored."""
    ctx, data = job.deps, job.data
    owned = ctx.services.projects.owned(data.project_id, data.user_id)
    if data.is_batch:
        _, rows = await both(owned, ctx.services.storyboards.current(data.project_id))
        return await _enqueue_all(ctx, data, rows)
    _, row = await both(owned, row_of(ctx, _order(data)))
    if row is None:
        return AlreadyStored(
            reason="A newer picture was generated",
            project_id=data.project_id,
            shot_number=data.shot_number,
        )
    if row.storage_status == "completed":
        return AlreadyStored(
            project_id=data.project_id, shot_number=data.shot_number, storyboard_id=row.id
        )
    return await _store(ctx, data, row)


@storyboard_download.on_final_failure
async def on_failed(job: VidfabJob[Subject], reason: str) -> None:
    """Mark the picture on its row as not stored."""
    ctx, subject = job.deps, job.data
    owned = ctx.services.projects.owned(subject.project_id, subject.user_id)
    if subject.is_batch:
        await owned
        return
    _, row = await both(owned, row_of(ctx, _order(subject)))
    if row is not None and row.status == "success" and row.storage_status != "completed":
        message = ctx.for_people(Thing.PICTURE, reason)
        fields = {"storage_status": "failed", "error_message": message}
        await ctx.services.storyboards.update(row.id, **fields)


def _order(subject: Subject) -> Order:
    return Order(
        subject.project_id,
        subject.shot_number,
        subject.storyboard_id,
        str(subject.external_url),
    )


async def _store(ctx: Context, data: Data, row: StoryboardRow) -> StoredResult:
    await ctx.progress(10, f"Downloading storyboard shot {data.shot_number}...")
    file = ctx.workdir / "picture"
    try:
        got = await ctx.services.downloads.fetch(
            data.external_url, file, max_bytes=MAX_IMAGE_BYTES, accept=Kind.IMAGE
        )
    except UnsafeUrl as error:
        raise UnsafeUrl(f"Unsafe externalUrl: {error}") from error
    picture = Picture(file, got.content_type, got.size_bytes, data.external_url)
    stored = await ctx.services.storyboards.store(picture, data.user_id, row, data.storyboard_id)
    await ctx.progress(100, "Download completed")
    return StoredResult(
        project_id=data.project_id,
        shot_number=data.shot_number,
        storage_path=stored.path,
        cdn_url=stored.url,
        file_size=stored.size_bytes,
    )


async def _enqueue_all(ctx: Context, data: Data, rows: list[StoryboardRow]) -> Batch:
    waiting = [row for row in rows if row.wants_storing]
    await ctx.progress(10, f"Enqueuing {len(waiting)} storyboard downloads...")
    jobs = (
        follow_ups.storyboard_download(
            user_id=data.user_id,
            project_id=data.project_id,
            shot_number=row.shot_number,
            storyboard_id=row.id,
            external_url=row.image_url_external or "",
            priority=_BATCH_PRIORITY,
        )
        for row in waiting
    )
    await ctx.enqueue(*jobs)
    await ctx.progress(100, "Batch enqueue completed")
    return Batch(project_id=data.project_id, enqueued=len(waiting))
