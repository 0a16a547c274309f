"""The rows of a job's shots when shots were deleted before the job ran for the first time.

The job knows shots by the numbers that they had when it was asked for. A row that is missing, or
that was changed since it was inserted, may have been renumbered: then the shots are found in the
script by their texts, and the rows by the numbers that those have now.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.concurrent import both
from core.paths import RowId
from core.storyboard.renumbering import OF_NO_SHOT, numbers_now
from core.storyboard.script import Shot
from handlers._settled import settled
from services.bundle import Context
from services.supabase.shots import ShotRow
from services.supabase.storyboards import StoryboardRow


@dataclass(frozen=True, slots=True)
class _Script:
    """The current rows and the script's shots, both in the order of their numbers."""

    rows: list[StoryboardRow]
    shots: list[ShotRow]

    @property
    def is_settled(self) -> bool:
        if not self.rows or not self.shots:
            return True
        return {row.shot_number for row in self.rows} == {one.shot_number for one in self.shots}

    @property
    def numbering(self) -> tuple[dict[str, int], dict[str, int]]:
        return _by_id(self.rows), _by_id(self.shots)

    def by_number(self) -> dict[int, StoryboardRow]:
        """Each shot's row, by the script's number."""
        if len(self.rows) == len(self.shots):
            pairs = zip(self.shots, self.rows, strict=True)
            return {shot.shot_number: row for shot, row in pairs}
        return {row.shot_number: row for row in self.rows}


async def numbered_as_asked(
    ctx: Context, project_id: RowId, rows: list[StoryboardRow], shots: Sequence[Shot]
) -> list[StoryboardRow]:
    """The current rows under the numbers that the job gives their shots.

    Raises RequeueLater while shots are being deleted.
    """
    if not _may_be_renumbered(rows, shots):
        return rows
    script = await settled(lambda: _read(ctx, project_id))
    numbers = numbers_now(shots, script.shots)
    if numbers is None:
        return script.rows
    by_number = script.by_number()
    asked = {by_number[now].id: then for then, now in numbers.items() if now in by_number}
    return [
        row.model_copy(update={"shot_number": asked.get(row.id, OF_NO_SHOT)}) for row in script.rows
    ]


def _may_be_renumbered(rows: list[StoryboardRow], shots: Sequence[Shot]) -> bool:
    by_number = {row.shot_number: row for row in rows}
    found = [by_number.get(shot.shot_number) for shot in shots]
    return any(row is None or row.was_changed for row in found)


async def _read(ctx: Context, project_id: RowId) -> _Script:
    services = ctx.services
    rows, shots = await both(
        services.storyboards.current(project_id), services.shots.of_project(project_id)
    )
    return _Script(rows, shots)


def _by_id(rows: Sequence[StoryboardRow | ShotRow]) -> dict[str, int]:
    return {row.id: row.shot_number for row in rows}
