"""Has what was paid for stored while its address at the provider lives."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from loguru import logger

from core.alert import Alert, shown
from runtime.reconciler.memory import Memory
from runtime.reconciler.part import Tools
from runtime.reconciler.unstored_plan import (
    CLIPS,
    LIFE,
    PICTURES,
    Kind,
    R,
    Row,
    UnstoredFile,
    first_seen,
    is_settled,
    name_of,
)

# Three at a time, each of a second: so many are stored well within a round.
_MOST_JOBS = 200


@dataclass(slots=True)
class _Round:
    """What a round has found so far: at most `_MOST_JOBS` that are due, the oldest of all."""

    now: datetime
    due: list[UnstoredFile[Any]] = field(default_factory=list[UnstoredFile[Any]])
    late: dict[str, int] = field(default_factory=dict[str, int])
    first_late: Row | None = None

    def add_due(self, files: Sequence[UnstoredFile[Any]]) -> None:
        self.due = sorted([*self.due, *files], key=lambda one: one.known.born)[:_MOST_JOBS]

    def add_late(self, file: UnstoredFile[Any]) -> None:
        noun = file.kind.noun
        self.late[noun] = self.late.get(noun, 0) + 1
        self.first_late = self.first_late or file.row


class Unstored:
    """Adds a download again for each file that is not stored and has no open job.

    At growing distances: what could not be stored now will hardly be so in a minute. A file's age
    counts from when it was first seen, since a download that fails touches the row.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._memory = Memory(tools.redis, tools.queue)

    async def work(self, now: datetime) -> Sequence[str]:
        """Look at all files of the last 24 h, and rescue the oldest ones that are due."""
        found = _Round(now)
        services, since = self._tools.services, now - LIFE
        try:
            await self._look(found, PICTURES, services.storyboards.unstored(since))
            await self._look(found, CLIPS, services.clip_upkeep.unstored(since))
        finally:
            self._alert(found)  # once: it is remembered already
        added = await self._rescue(found)
        late = sum(found.late.values())
        return [
            *([f"{added} downloads added again"] if added else []),
            *([f"{late} files soon lost at the provider"] if late else []),
        ]

    async def _look(self, found: _Round, kind: Kind[R], pages: AsyncIterator[Sequence[R]]) -> None:
        open_jobs: set[tuple[str, ...]] | None = None
        async for page in pages:
            files = await self._recalled(kind, found, page)
            due = [one for one in files if one.is_due(found.now)]
            if due and open_jobs is None:
                open_jobs = await self._open_jobs(kind)
            found.add_due([one for one in due if one.key not in (open_jobs or ())])

    async def _recalled(
        self, kind: Kind[R], found: _Round, page: Sequence[R]
    ) -> list[UnstoredFile[R]]:
        """The page's files, with what is known of them; what is new about them is remembered."""
        rows = [one for one in page if self._is_elsewhere(one) and is_settled(one, found.now)]
        known = await self._memory.recall([name_of(row) for row in rows])
        files: list[UnstoredFile[R]] = []
        news: list[UnstoredFile[R]] = []
        for row, before in zip(rows, known, strict=True):
            file = UnstoredFile(kind, row, before or first_seen(row))
            if is_late := file.is_late(found.now):
                found.add_late(file)
                file = file.alerted()
            if is_late or before is None:
                news.append(file)
            files.append(file)
        await self._remember(news)
        return files

    def _is_elsewhere(self, row: Row) -> bool:
        return bool(row.url) and not self._tools.services.supabase.serves(row.url)

    async def _open_jobs(self, kind: Kind[Any]) -> set[tuple[str, ...]]:
        ids = await self._tools.queue.unfinished(kind.glob)
        return {key for one in ids if (key := kind.key_of(one))}

    async def _rescue(self, found: _Round) -> int:
        """Add the jobs; returns how many."""
        projects = {one.row.project_id for one in found.due}
        owners = await self._tools.services.projects.owners(projects)
        owned = [one for one in found.due if one.row.project_id in owners]
        jobs = [one.download(owners[one.row.project_id]) for one in owned]
        await self._tools.adder.add(jobs)
        # Also those of projects that are gone, which would take the places of others each round.
        await self._remember([one.tried(found.now) for one in found.due])
        for job in jobs:
            logger.debug("Not stored yet, added again: {}", job.job_id)
        return len(jobs)

    async def _remember(self, files: Sequence[UnstoredFile[Any]]) -> None:
        await self._memory.keep({one.name: one.known for one in files})

    def _alert(self, found: _Round) -> None:
        row = found.first_late
        if row is None:
            return
        what = " and ".join(f"{count} {noun}" for noun, count in found.late.items())
        text = (
            f"⏳ Not stored yet, and gone at the provider within 3 hours: {what}, the first of "
            f"project {row.project_id}, shot {row.shot_number}. See why: python worker.py jobs"
        )
        about = {"project_id": row.project_id}
        self._tools.notify(Alert("files soon lost", shown(text), "error", about))
