"""Rows of `project_shots`: the script's shots."""

from typing import TYPE_CHECKING

from core.paths import RowId
from services.supabase.table import Table, TableRow

if TYPE_CHECKING:
    from services.supabase.client import Supabase


class ShotRow(TableRow):
    """A shot as jobs read it."""

    id: str
    shot_number: int
    description: str = ""
    character_action: str | None = None
    duration_seconds: int | None = None


class Shots:
    """The shots table."""

    def __init__(self, supabase: "Supabase") -> None:
        self._table = Table(supabase, "project_shots", ShotRow)

    async def seconds(self, project_id: RowId) -> dict[int, int | None]:
        """The planned duration of each shot, by its number."""
        shots = await self.of_project(project_id)
        return {shot.shot_number: shot.duration_seconds for shot in shots}

    async def of_project(self, project_id: RowId) -> list[ShotRow]:
        """All shots of a project, in the order of their numbers."""
        return await self._table.read(
            "read the shots", lambda rows: rows.eq("project_id", project_id).order("shot_number")
        )
