"""cleanup_temp: remove temporary objects and files.

It removes objects of this Supabase project under the job's own user, and files in the worker's own
temporary folders. Any other URL is skipped, and does not fail the job.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from datetime import UTC, datetime, timedelta

from pydantic import Field

from bullmq_consumer import Jobs
from core.errors import RequeueLater
from core.jobs.data import JobData, JobResult
from core.paths import Bucket, StoredObject
from services.bundle import Context, VidfabJob
from services.media import temp_files

jobs: Jobs[Context] = Jobs(exclude_none=True)

_MAX_URLS = 1000
# In one request to storage; its answer may be lost, and with it how many were there.
_AT_ONCE = 100


class Data(JobData):
    """The payload; without `cleanup_after` the job is due at once."""

    temp_urls: list[str] = Field(max_length=_MAX_URLS)
    cleanup_after: datetime | None = None

    def due_in(self, now: datetime) -> timedelta:
        """The delay until `cleanup_after`. A time without zone is UTC."""
        due = self.cleanup_after or now
        return (due if due.tzinfo else due.replace(tzinfo=UTC)) - now


class Result(JobResult):
    """`count` of the `urls` were removed."""

    cleaned: bool = True
    count: int
    urls: int


@jobs.job("cleanup_temp", timeout=timedelta(minutes=5), release_id=True)
async def cleanup_temp(job: VidfabJob[Data]) -> Result:
    """Remove the URLs' objects and files, once the job is due."""
    ctx, data = job.deps, job.data
    wait = data.due_in(datetime.now(UTC))
    if wait > timedelta(0):
        raise RequeueLater(wait)
    removed: list[str] = list(ctx.checkpoint_fields.get("removed", []))
    left = [url for url in dict.fromkeys(data.temp_urls) if url not in removed]
    try:
        async for urls in _removed(ctx, data, left):
            removed += urls
    except BaseException:  # also when the worker stops: the next attempt continues the count
        await ctx.checkpoint(removed=removed)
        raise
    return Result(count=len(removed), urls=len(data.temp_urls))


async def _removed(ctx: Context, data: Data, urls: Iterable[str]) -> AsyncGenerator[list[str]]:
    """Remove what may be; the URLs of what was there, as soon as it has gone."""
    objects: dict[StoredObject, str] = {}
    for url in urls:
        stored = ctx.services.supabase.object_of(url)
        if stored is None and await asyncio.to_thread(temp_files.remove, url):
            yield [url]
        elif stored is not None and stored.is_under(data.user_id):
            objects.setdefault(stored, url)
    for bucket in Bucket:
        paths = [stored.path for stored in objects if stored.bucket is bucket]
        for start in range(0, len(paths), _AT_ONCE):
            gone = await ctx.services.supabase.remove(bucket, paths[start : start + _AT_ONCE])
            yield [objects[StoredObject(bucket, path)] for path in paths if path in gone]
