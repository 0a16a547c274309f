"""Reads a project's clips and the lengths of their own shots, also while shots are deleted.

Deleting a shot in the app removes its clip and its shot, and lowers the numbers of all later rows
of both tables, one UPDATE a number. Two reads may see any two moments of that.

While both tables have the same numbers, they are renumbered equally far: each clip has its shot's
number. Otherwise a shot has no clip, or a deletion is under way: then the rows are read again until
two readings are the same. As many clips as shots are then paired in their order, which no
renumbering changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from core.concurrent import both
from core.paths import RowId
from handlers._settled import settled
from services.bundle import Context
from services.supabase.clips import ClipRow


@dataclass(frozen=True, slots=True)
class Clips:
    """Clips in shot order, and the planned seconds of each shot by its number."""

    rows: list[ClipRow]
    seconds: Mapping[int, int | None]

    @property
    def is_settled(self) -> bool:
        """Whether each clip has a shot and each shot a clip, or there is nothing to pair."""
        if not self.rows or not self.seconds:
            return True
        return {row.shot_number for row in self.rows} == set(self.seconds)

    @property
    def numbering(self) -> tuple[dict[str, int], Mapping[int, int | None]]:
        """What a deletion changes; other jobs change other columns all the time."""
        return {row.id: row.shot_number for row in self.rows}, self.seconds

    def lengths(self) -> dict[int, int | None]:
        """The seconds of each clip's own shot, by the clip's number."""
        if len(self.rows) != len(self.seconds):
            return dict(self.seconds)
        in_order = [self.seconds[number] for number in sorted(self.seconds)]
        return {row.shot_number: length for row, length in zip(self.rows, in_order, strict=True)}


async def clips_of(ctx: Context, project_id: RowId, first: Clips) -> Clips:
    """The clips, as of one moment; `first` as just read.

    Raises RequeueLater while shots are being deleted.
    """
    return await settled(lambda: read_clips(ctx, project_id), first)


async def read_clips(ctx: Context, project_id: RowId) -> Clips:
    """The clips, perhaps while shots are being deleted."""
    services = ctx.services
    rows, seconds = await both(
        services.clips.of_project(project_id), services.shots.seconds(project_id)
    )
    return Clips([_current(row) for row in rows], seconds)


def _current(row: ClipRow) -> ClipRow:
    """The row without the copy of an earlier clip: only the app's routes leave one there."""
    return row.model_copy(update={"cdn_url": None}) if row.shows_older_clip else row
