"""Rows of `project_shots`: the script's shots."""

from typing import TYPE_CHECKING

from core.paths import RowId
from services.supabase.table import Table, TableRow

if TYPE_CHECKING:
    from services.supabase.client import Supabase


class _ShotRow(TableRow):
    shot_number: int
    duration_seconds: int | None = None


class Shots:
    """The shots table."""

    def __init__(self, supabase: "Supabase") -> None:
        self._table = Table(supabase, "project_shots", _ShotRow)

    async def seconds(self, project_id: RowId) -> dict[int, int | None]:
        """The planned duration of each shot, by its number."""
        shots = await self._table.read(
            "read the shots", lambda rows: rows.eq("project_id", project_id)
        )
        return {shot.shot_number: shot.duration_seconds for shot in shots}
