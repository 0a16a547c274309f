"""Removes the objects of clips that were generated anew, a day after the new one was stored."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from posixpath import dirname

from loguru import logger

from core.errors import ServiceError
from core.paths import ROW_ID, Bucket, clip_generation, is_row_id
from runtime.reconciler.memory import Memory
from runtime.reconciler.part import Tools
from services.supabase.clip_upkeep import KeptClip, Place
from services.supabase.table import FIRST_ID

# A composition reads the clips that it found at its begin; it takes half an hour at most. Players
# have an object's address for as long as their page is open.
_KEPT = timedelta(days=1)
# Where no round is known to have come: what was stored anew before has been looked at, or is left.
_LOOKBACK = timedelta(days=7)
_MARK = "superseded"
_MARK_KEPT = timedelta(days=30)

_OBJECT = re.compile(rf"shot-\d+-(?P<clip>{ROW_ID})-(?P<generation>[0-9a-f]{{10}})\.mp4")
_FOLDER = re.compile(rf"videos/[A-Za-z0-9_-]{{1,128}}/video-agent/(?P<project>{ROW_ID})/clips")


class Superseded:
    """Goes through the clips in the order in which they were stored, a day behind.

    An object is removed only if its name holds the id of a clip that has another object now, which
    is a day old, and no row at all names it. Objects of rows that are gone stay: the app deletes
    rows, and whether it wants the file is not known; one bad answer of the database would make all
    rows look gone.
    """

    def __init__(self, tools: Tools) -> None:
        self._services = tools.services
        self._memory = Memory(tools.redis, tools.queue)

    async def work(self, now: datetime) -> Sequence[str]:
        """Look at the next page of clips whose rows have not changed for a day."""
        mark = await self._memory.mark(_MARK)
        after = _place(mark or "") or Place(now - _KEPT - _LOOKBACK, FIRST_ID)
        clips = await self._services.clip_upkeep.stored_between(after, now - _KEPT)
        if not clips:
            return []
        by_project = sorted(clips, key=attrgetter("project_id"))
        removed = 0
        for _, its in groupby(by_project, attrgetter("project_id")):
            removed += await self._tidy(list(its))
        await self._memory.set_mark(_MARK, _mark(clips[-1].place), _MARK_KEPT)
        return [f"{removed} superseded clips removed from storage"] if removed else []

    async def _tidy(self, clips: Sequence[KeptClip]) -> int:
        """Remove the older objects of one project's clips; returns how many."""
        removed = 0
        folders = {folder for clip in clips if (folder := _folder_of(clip))}
        for folder in sorted(folders):
            try:
                removed += await self._tidy_folder(folder, {one.id: one for one in clips})
            except ServiceError as error:
                if error.retryable:
                    raise
                logger.warning("The reconciler could not tidy {}: {}", folder, error)
        return removed

    async def _tidy_folder(self, folder: str, clips: Mapping[str, KeptClip]) -> int:
        supabase = self._services.supabase
        names = await supabase.names_in(Bucket.VIDEOS, folder)
        older = [f"{folder}/{name}" for name in names if _is_older(name, folder, clips)]
        if not older:
            return 0
        addresses = {path: await supabase.public_url(Bucket.VIDEOS, path) for path in older}
        needed = await self._services.pointers.needed(addresses)
        removed = 0
        for path in older:
            if path not in needed:
                removed += len(await supabase.remove(Bucket.VIDEOS, [path]))
                logger.info("Removed from storage, superseded a day ago: {}", path)
        return removed


def _mark(place: Place) -> str:
    return f"{place.updated_at.isoformat()} {place.id}"


def _place(mark: str) -> Place | None:
    """What `_mark` wrote; marks of older workers are a time alone. None for anything else."""
    time, _, clip_id = mark.partition(" ")
    try:
        updated_at = datetime.fromisoformat(time)
    except ValueError:
        return None
    return Place(updated_at, clip_id if is_row_id(clip_id) else FIRST_ID)


def _folder_of(clip: KeptClip) -> str | None:
    folder = dirname(clip.storage_path or "")
    match = _FOLDER.fullmatch(folder)
    return folder if match and match["project"] == clip.project_id else None


def _is_older(name: str, folder: str, clips: Mapping[str, KeptClip]) -> bool:
    """Whether an object is an earlier generation of one of the clips."""
    match = _OBJECT.fullmatch(name)
    clip = clips.get(match["clip"]) if match else None
    if match is None or clip is None or _folder_of(clip) != folder:
        return False
    # Also that of the row's own order, should its download be about to write the row.
    current = {clip_generation(one) for one in (clip.provider_id, clip.url) if one}
    return clip.storage_path != f"{folder}/{name}" and match["generation"] not in current
