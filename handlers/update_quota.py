"""update_quota: recount a user's storage; the database counts additions and removals itself.

Its id is derived from the user and the operation, so it is released when the job finishes.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, Field

from bullmq_consumer import Jobs
from core.concurrent import both
from core.jobs.data import JobData, JobResult
from core.paths import RowId
from services.bundle import Context, VidfabJob
from services.supabase.quotas import Usage

jobs: Jobs[Context] = Jobs(exclude_none=True)

_MIB = 1024 * 1024
_MAX_VIDEOS = 999_999
_MAX_BYTES = 1024 * _MIB


class Data(JobData):
    """The payload."""

    user_id: RowId
    operation: Literal["add", "remove", "recalculate"]


class Automatic(JobResult):
    """Nothing to do: a trigger on `user_videos` keeps the count."""

    updated: bool = True
    user_id: str
    operation: str
    auto: bool = True


class Before(BaseModel):
    """The state as the app shows it; its keys are the app's."""

    current_videos: int
    max_videos: int = _MAX_VIDEOS
    current_size_bytes: int
    max_size_bytes: int = _MAX_BYTES
    current_size_mb: float
    max_size_mb: int = _MAX_BYTES // _MIB
    videos_percentage: int = 0
    storage_percentage: float
    can_upload: bool
    is_subscribed: bool


class After(BaseModel):
    """What the quota row holds now."""

    videos: int
    size_mb: float = Field(serialization_alias="sizeMB")


class Recalculated(JobResult):
    """The quota was written."""

    updated: bool = True
    user_id: str
    operation: str
    before: Before
    after: After


@jobs.job("update_quota", timeout=timedelta(minutes=5), release_id=True)
async def update_quota(job: VidfabJob[Data]) -> Automatic | Recalculated:
    """Recalculate the quota; nothing to do for the other operations."""
    ctx, data = job.deps, job.data
    if data.operation != "recalculate":
        return Automatic(user_id=data.user_id, operation=data.operation)
    quotas = ctx.services.quotas
    account, storage = await both(quotas.account(data.user_id), quotas.storage(data.user_id))
    await quotas.save(data.user_id, storage.recorded)
    return Recalculated(
        user_id=data.user_id,
        operation=data.operation,
        before=_before(storage.shown, is_subscribed=account.is_subscribed(datetime.now(UTC))),
        after=After(videos=storage.recorded.videos, size_mb=_mib(storage.recorded.size_bytes)),
    )


def _before(usage: Usage, *, is_subscribed: bool) -> Before:
    return Before(
        current_videos=usage.videos,
        current_size_bytes=usage.size_bytes,
        current_size_mb=_mib(usage.size_bytes),
        storage_percentage=round(usage.size_bytes / _MAX_BYTES * 100, 1),
        can_upload=usage.size_bytes < _MAX_BYTES,
        is_subscribed=is_subscribed,
    )


def _mib(size_bytes: int) -> float:
    return round(size_bytes / _MIB, 2)
