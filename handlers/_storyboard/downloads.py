"""Adds the downloads of a storyboard job's pictures, before the provider's URLs expire."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from bullmq_consumer.new_job import NewJob
from core.jobs import follow_ups
from core.paths import PlainId
from services.bundle import Context
from services.supabase.storyboards import StoryboardRow

_PRIORITY = 4


class PictureDownloads:
    """Adds the download of each picture when its row is written, concurrently with the job.

    So the pictures of a long job survive a crash of its worker. Downloads that could not be added
    are added by `add_left` at the job's end, even if its rows were read before the last writes.
    On exit, the context manager waits for pending additions; a cancelled job cancels them.
    """

    def __init__(self, ctx: Context, user_id: PlainId) -> None:
        self._ctx = ctx
        self._user_id = user_id
        self._adding: set[asyncio.Task[None]] = set()
        self._added: set[str] = set()
        self._waiting: dict[str, StoryboardRow] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            for task in self._adding:
                task.cancel()
        await asyncio.gather(*self._adding, return_exceptions=True)

    def add_soon(self, row: StoryboardRow) -> None:
        """Add the download of a row that was just written, if it is current."""
        if row.is_current and row.wants_storing:
            self._waiting[row.id] = row
            task = asyncio.create_task(self._add(row))
            self._adding.add(task)
            task.add_done_callback(self._adding.discard)

    async def add_left(self, current: Iterable[StoryboardRow]) -> None:
        """Add the missing downloads of the project's current rows, also of earlier attempts."""
        await asyncio.gather(*self._adding)
        unstored = {row.id: row for row in current if row.wants_storing}
        left = {**unstored, **self._waiting}
        jobs = [self._download(row) for row in left.values() if row.id not in self._added]
        await self._ctx.enqueue(*jobs)

    async def _add(self, row: StoryboardRow) -> None:
        try:
            await self._ctx.enqueue(self._download(row))
        except Exception as error:  # no failure of the shot: `add_left` tries again, and raises
            self._ctx.log.warning("The download of shot {} waits: {}", row.shot_number, error)
        else:
            self._added.add(row.id)
            del self._waiting[row.id]

    def _download(self, row: StoryboardRow) -> NewJob:
        return follow_ups.storyboard_download(
            user_id=self._user_id,
            project_id=row.project_id,
            shot_number=row.shot_number,
            storyboard_id=row.id,
            external_url=row.image_url_external or "",
            priority=_PRIORITY,
            remove_on_complete=True,
        )
