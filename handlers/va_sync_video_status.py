"""va_sync_video_status: poll the providers for the status of a project's clips.

A clip stays `generating` when its provider could not be polled, for any reason that is not about
the clip: an outage, a wrong or missing key, a wrong address. The job fails only when no clip could
be polled, and then leaves the rows unchanged: the clips may be fine, and the next sync polls again.
When only some could not, an alert reports them. It also fails when the database refused to write
one, once all others are written. Its id is released, so that the app's next request is not dropped.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bullmq_consumer import Jobs
from bullmq_consumer.new_job import NewJob
from core.concurrent import both
from core.errors import (
    LockLost,
    ProviderDown,
    RetryableError,
    ServiceError,
    UnrecoverableError,
    UnsafeUrl,
    is_transient,
)
from core.jobs import follow_ups
from core.jobs.data import JobData, JobResult
from core.paths import RowId
from core.people import Cause, Thing, Why
from core.story import about
from services.bundle import Context, VidfabJob
from services.clips.base import ClipOutcome, Failed, Running, Succeeded
from services.supabase.clips import ClipRow
from services.supabase.projects import Project

jobs: Jobs[Context] = Jobs(exclude_none=True)

_AT_ONCE = 5
_FINAL = {"success", "failed"}
_UNUSABLE = Failed("The address of the clip's video is unsafe", Cause.UNUSABLE)


class Data(JobData):
    """The payload."""

    project_id: RowId


class Result(JobResult):
    """`updated` counts the clips that this job finalised."""

    synced: bool = True
    updated: int


@jobs.job("va_sync_video_status", timeout=timedelta(minutes=10), release_id=True)
async def va_sync_video_status(job: VidfabJob[Data]) -> Result:
    """Finalise the clips that have ended, and step 4 once all have."""
    ctx, data = job.deps, job.data
    await ctx.progress(5, "Loading clips...")
    owned = ctx.services.projects.owned(data.project_id, data.user_id)
    project, rows = await both(owned, ctx.services.clips.of_project(data.project_id))
    sync = _Sync(ctx, data, project, {row.id: row for row in rows})
    await sync.run()
    await ctx.progress(100, "Sync completed")
    return Result(updated=sync.updated)


def _is_open(row: ClipRow) -> bool:
    return row.status == "generating" and bool(row.provider_id)


@dataclass
class _Sync:
    """One poll of the clips that are being generated.

    `known` are the project's clips as they were read, or written since.
    """

    ctx: Context
    data: Data
    project: Project
    known: dict[str, ClipRow]
    updated: int = 0
    synced: int = 0
    errors: list[ServiceError | ProviderDown] = field(
        default_factory=list[ServiceError | ProviderDown]
    )
    unwritten: list[ServiceError | ProviderDown] = field(
        default_factory=list[ServiceError | ProviderDown]
    )
    _adding: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    _added: set[str] = field(default_factory=set[str])
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    def __post_init__(self) -> None:
        self.clips = [row for row in self.known.values() if _is_open(row)]

    async def run(self) -> None:
        """Poll every clip, write what changed, add the downloads and finalise the project.

        Raises RetryableError or UnrecoverableError when no clip could be polled, ServiceError or
        ProviderDown when one could not be written.
        """
        try:
            await self._poll_all()
            await self._end()
        finally:
            for adding in self._adding:
                adding.cancel()
            await asyncio.gather(*self._adding, return_exceptions=True)
        if self.clips and len(self.errors) == len(self.clips):
            raise self._all_failed()
        refusals = [one for one in self.errors if isinstance(one, ServiceError)]
        self.ctx.services.clip_alerts.stay_generating(
            self.data.project_id, [one for one in refusals if not one.retryable]
        )
        if self.unwritten:
            raise max(self.unwritten, key=is_transient)  # another attempt may write that one

    async def _poll_all(self) -> None:
        await self.ctx.progress(10, f"Syncing {len(self.clips)} generating clips...")
        async with asyncio.TaskGroup() as group:
            for clip in self.clips:
                group.create_task(self._sync(clip))

    async def _end(self) -> None:
        """Add the downloads that are missing, and complete the step once all clips have ended."""
        if _have_ended(self.known.values()):
            # Nobody has touched the project meanwhile: so its clips are as they are known.
            completed = self.ctx.services.projects.update_unchanged(
                self.project, step_4_status="completed"
            )
            is_done, _ = await both(completed, self._add_left(self.known.values()))
            if is_done:
                return
        rows = await self.ctx.services.clips.of_project(self.data.project_id)
        await self._add_left(rows)
        if _have_ended(rows):
            await self._complete_step()

    async def _complete_step(self) -> None:
        """Complete the step, but take that back if a clip was ordered again since it was read."""
        services, project_id = self.ctx.services, self.data.project_id
        await services.projects.update(project_id, step_4_status="completed")
        rows = await services.clips.of_project(project_id)
        if any(row.status == "generating" for row in rows):
            await services.projects.update(project_id, step_4_status="processing")

    async def _add_left(self, rows: Iterable[ClipRow]) -> None:
        """Add what was not, also by an earlier sync that was cut off before it did."""
        await asyncio.gather(*self._adding)
        left = [row for row in rows if row.wants_storing and row.id not in self._added]
        await self.ctx.enqueue(*map(self._download, left))
        self._added.update(row.id for row in left)

    async def _sync(self, clip: ClipRow) -> None:
        async with self._slots:
            outcome = await self._poll(clip)
        try:
            await self._write(clip, self._guarded(clip, outcome))
        except (ServiceError, ProviderDown) as error:  # if raised, it would cancel the others
            self.unwritten.append(error)
            self.ctx.log.warning("Clip {} could not be written: {}", clip.shot_number, error)
        self.synced += 1
        # Half up, as JavaScript rounds.
        percent = int(10 + self.synced * 85 / len(self.clips) + 0.5)
        await self.ctx.progress(percent, f"Synced {self.synced}/{len(self.clips)}")

    async def _poll(self, clip: ClipRow) -> ClipOutcome:
        try:
            with about(f"shot {clip.shot_number}"):
                return await self.ctx.services.clip_providers.status(clip)
        except (ServiceError, ProviderDown) as error:
            self.errors.append(error)
            self.ctx.log.warning("Clip {} stays generating: {}", clip.shot_number, error)
            return Running()

    def _guarded(self, clip: ClipRow, outcome: ClipOutcome) -> ClipOutcome:
        """The outcome without addresses that the download guard refuses."""
        if not isinstance(outcome, Succeeded):
            return outcome
        if not self._is_safe(clip, "video", outcome.video_url):
            return _UNUSABLE
        frame = outcome.last_frame_url
        if frame and not self._is_safe(clip, "last frame", frame):
            return Succeeded(outcome.video_url)
        return outcome

    def _is_safe(self, clip: ClipRow, what: str, url: str) -> bool:
        try:
            self.ctx.services.downloads.check(url)
        except UnsafeUrl as error:
            self.ctx.log.warning(
                "Unsafe address of the {} of clip {}: {}", what, clip.shot_number, error
            )
            return False
        return True

    async def _write(self, clip: ClipRow, outcome: ClipOutcome) -> None:
        match outcome:
            case Running():
                return
            case Failed(message=message, cause=cause):
                reason = self.ctx.services.scrub(message)
                self.ctx.log.warning("Clip {} has failed: {}", clip.shot_number, reason)
                text = self.ctx.for_people(Thing.CLIP, Why(cause))
                await self._finish(clip, status="failed", error_message=text)
            case Succeeded():
                finished = await self._finish(clip, **_columns(outcome))
                if finished is not None:
                    self._adding.append(asyncio.create_task(self._add_download(finished)))

    async def _finish(self, clip: ClipRow, **fields: Any) -> ClipRow | None:
        finished = await self.ctx.services.clips.finish(clip, **fields)
        self.updated += finished is not None  # by itself: the others count while this one awaits
        if finished is not None:
            self.known[clip.id] = finished
        return finished

    async def _add_download(self, row: ClipRow) -> None:
        """Add it at once, so that it survives a crash of this worker; else `_add_left` does."""
        try:
            await self.ctx.enqueue(self._download(row))
        except LockLost:
            raise
        except Exception as error:  # if raised, it would cancel the others
            self.ctx.log.warning("The download of clip {} waits: {}", row.shot_number, error)
        else:
            self._added.add(row.id)

    def _download(self, row: ClipRow) -> NewJob:
        return follow_ups.video_clip_download(
            user_id=self.data.user_id,
            project_id=self.data.project_id,
            shot_number=row.shot_number,
            provider_id=row.provider_id,
            external_url=row.video_url_external or "",
        )

    def _all_failed(self) -> Exception:
        down = next((one for one in self.errors if isinstance(one, ProviderDown)), None)
        if down is not None:
            return down
        first = next((one for one in self.errors if _is_retryable(one)), self.errors[0])
        message = f"No clip could be polled: {first}"
        return RetryableError(message) if _is_retryable(first) else UnrecoverableError(message)


def _have_ended(rows: Collection[ClipRow]) -> bool:
    return bool(rows) and all(row.status in _FINAL for row in rows)


def _is_retryable(error: ServiceError | ProviderDown) -> bool:
    """Whether a later attempt may succeed; refusals count, as they are not about the clips."""
    return is_transient(error) or (isinstance(error, ServiceError) and error.status is not None)


def _columns(outcome: Succeeded) -> dict[str, Any]:
    return {
        "status": "success",
        "video_url": outcome.video_url,
        "video_url_external": outcome.video_url,
        "last_frame_url": outcome.last_frame_url,
        "storage_status": "pending",
        "cdn_url": None,  # of an earlier generation of the shot
    }
