"""Brings in clips while the browser is closed, and ends those that were never ordered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.alert import Alert
from core.jobs import follow_ups
from core.paths import PlainId, RowId
from core.people import Cause, Thing, Why, sentence
from runtime.reconciler.memory import Memory
from runtime.reconciler.part import Tools
from services.supabase.clip_upkeep import KeptClip

# An open page asks every few seconds, and writes what it learns: this one is closed.
_QUIET = timedelta(minutes=10)
# Between the route's insert of the row and its order are seconds; its process died in between.
_UNORDERED = timedelta(minutes=20)
# Its clips may all have ended, and the write of this alone have failed; older ones have been given
# up by whoever waited.
_STEP_OPEN, _STEP_FORGOTTEN = timedelta(minutes=20), timedelta(days=7)
# A clip is asked about again after a sixth of the time it has taken: most take minutes, and one
# that a provider has forgotten is asked about once a day at last. At least one round lies between.
_SHARE = 6
_SHORTEST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=4), timedelta(days=1)
_MOST_JOBS = 100
# 100 ids make an address of 4 KB, where gateways take 8.
_IDS_AT_ONCE = 100


@dataclass(slots=True)
class _Found:
    """The projects with clips to ask about, each with its newest, and those with failed clips."""

    quiet: dict[RowId, datetime] = field(default_factory=dict[RowId, datetime])
    failed: list[RowId] = field(default_factory=list[RowId])

    def add(self, clip: KeptClip) -> None:
        known = self.quiet.get(clip.project_id, clip.updated_at)
        self.quiet[clip.project_id] = max(known, clip.updated_at)


class QuietClips:
    """Adds a sync job for each project with clips that nobody asks about."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._memory = Memory(tools.redis, tools.queue)
        language = tools.services.settings.app_language
        self._not_begun = sentence(Why(Cause.NOT_BEGUN), Thing.CLIP, language)

    async def work(self, now: datetime) -> Sequence[str]:
        """Ask about clips that say `generating` for 10 minutes, and projects that wait for them."""
        found = _Found()
        try:
            async for page in self._tools.services.clip_upkeep.generating(now - _QUIET):
                await self._sort(page, found, now - _UNORDERED)
        finally:
            self._alert(found)
        open_steps = await self._tools.services.projects.with_open_clips(
            now - _STEP_FORGOTTEN, now - _STEP_OPEN
        )
        found.quiet = open_steps | found.quiet
        added = await self._sync(found, now)
        return [
            *(
                [f"{len(found.failed)} clips failed that were never ordered"]
                if found.failed
                else []
            ),
            *([f"{added} projects asked about their clips"] if added else []),
        ]

    async def _sort(self, page: Sequence[KeptClip], found: _Found, before: datetime) -> None:
        unordered: list[RowId] = []
        for clip in page:
            if clip.provider_id:
                found.add(clip)
            elif clip.updated_at < before:
                unordered.append(clip.id)
        for start in range(0, len(unordered), _IDS_AT_ONCE):
            found.failed += await self._tools.services.clip_upkeep.fail_unordered(
                unordered[start : start + _IDS_AT_ONCE], before, self._not_begun
            )

    async def _sync(self, found: _Found, now: datetime) -> int:
        """Add the jobs, for the newest clips first; returns how many."""
        if not found.quiet and not found.failed:
            return 0
        busy = await self._tools.queue.unfinished("va_sync_*")
        # The job also ends step 4 of a project whose last open clips have failed here.
        pauses = dict.fromkeys(found.failed, _SHORTEST_PAUSE) | _pauses(found.quiet, now)
        idle = {one: pause for one, pause in pauses.items() if f"va_sync_{one}" not in busy}
        owners = await self._due(list(idle))
        jobs = [
            follow_ups.va_sync_video_status(user_id=user_id, project_id=project_id)
            for project_id, user_id in owners.items()
            if user_id is not None
        ]
        await self._tools.adder.add(jobs)
        # Only now: what could not be added is added by the next round.
        await self._memory.pause({_name_of(one): idle[one] for one in owners})
        return len(jobs)

    async def _due(self, projects: Sequence[RowId]) -> dict[RowId, PlainId | None]:
        """The owners of the first of the projects that do not pause, as many as a round takes.

        With those before them that are gone, whose owner is None.
        """
        due: dict[RowId, PlainId | None] = {}
        left, places = projects, _MOST_JOBS
        while left and places:
            some, left = left[:places], left[places:]
            unpaused = await self._memory.unpaused([_name_of(one) for one in some])
            free = [one for one in some if _name_of(one) in unpaused]
            owners = await self._tools.services.projects.owners(free)
            due |= {one: owners.get(one) for one in free}
            places -= len(owners)
        return due

    def _alert(self, found: _Found) -> None:
        if found.failed:
            text = (
                f"🩹 Reconciler: {len(found.failed)} clips were 'generating' for 20 minutes, but "
                "never ordered: now failed. The app's own process may have died"
            )
            about = {"project_id": found.failed[0]}
            self._tools.notify(Alert("clips never ordered", text, "warning", about))


def _name_of(project_id: RowId) -> str:
    return f"sync:{project_id}"


def _pauses(quiet: Mapping[RowId, datetime], now: datetime) -> dict[RowId, timedelta]:
    """How long each project is left alone afterwards; the newest come first."""
    newest = sorted(quiet.items(), key=lambda item: item[1], reverse=True)
    return {
        project_id: min(max((now - since) / _SHARE, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        for project_id, since in newest
    }
