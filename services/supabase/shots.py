"""Rows of `project_shots`: the script's shots."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from core.paths import RowId

if TYPE_CHECKING:
    from services.supabase.client import Supabase


class _ShotRow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    shot_number: int
    duration_seconds: int | None = None


class Shots:
    """The shots table."""

    def __init__(self, supabase: "Supabase") -> None:
        self._supabase = supabase

    async def seconds(self, project_id: RowId) -> dict[int, int | None]:
        """How long each shot shall last, by its number."""
        rows = await self._supabase.query(
            "read the shots",
            lambda db: (
                db.from_("project_shots")
                .select("shot_number,duration_seconds")
                .eq("project_id", project_id)
                .execute()
            ),
        )
        shots = [_ShotRow.model_validate(row) for row in rows]
        return {shot.shot_number: shot.duration_seconds for shot in shots}
