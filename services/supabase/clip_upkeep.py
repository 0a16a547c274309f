"""Rows of `project_video_clips` of all projects, as the reconciler looks through them."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from core.columns import Moment
from core.jobs.envelope import iso
from core.paths import RowId
from services.supabase.clips import ordered_at
from services.supabase.table import PAGE, UNSTORED, Table, TableRow

if TYPE_CHECKING:
    from services.supabase.client import Supabase

_NAME = "project_video_clips"
_NOT_ORDERED = ("seedance_task_id", "video_request_id")
# From a Seedance order to its clip: minutes, and more while its queue is long.
_MADE_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Place:
    """Of a clip among all, by the time of its last change, then by its id.

    Rows that one statement changed have the same time.
    """

    updated_at: datetime
    id: RowId


class KeptClip(TableRow):
    """A clip with its times. `updated_at` follows every update, also one that renumbers shots."""

    id: str
    project_id: str
    shot_number: int
    storage_path: str | None = None
    video_url: str | None = None
    video_url_external: str | None = None
    seedance_task_id: str | None = None
    video_request_id: str | None = None
    created_at: Moment | None = None
    updated_at: Moment

    @property
    def provider_id(self) -> str:
        """The provider's id of this generation; empty when nothing was ordered."""
        return self.seedance_task_id or self.video_request_id or ""

    @property
    def url(self) -> str:
        """Where the provider keeps it; empty if that is unknown."""
        return self.video_url_external or self.video_url or ""

    @property
    def place(self) -> Place:
        """Where it stands in the order of changes."""
        return Place(self.updated_at, self.id)

    @property
    def born(self) -> datetime:
        """About when the provider made it: never long before, and later where little is known.

        By the last update, which a renumbering makes later, and by the date in a Seedance id. The
        row's creation proves nothing: a clip that is ordered again keeps the row.
        """
        ordered = ordered_at(self.seedance_task_id or "")
        return min(self.updated_at, ordered + _MADE_WITHIN) if ordered else self.updated_at


class ClipUpkeep:
    """The clips table, beyond single projects. All methods raise ServiceError."""

    def __init__(self, supabase: "Supabase") -> None:
        self._table = Table(supabase, _NAME, KeptClip)

    def unstored(self, touched_since: datetime) -> AsyncGenerator[list[KeptClip]]:
        """All generated clips that are not stored, and whose rows changed since."""
        return self._table.pages(
            "read the clips that are not stored",
            lambda rows: (
                rows.eq("status", "success").or_(UNSTORED).gt("updated_at", iso(touched_since))
            ),
        )

    def generating(self, untouched_since: datetime) -> AsyncGenerator[list[KeptClip]]:
        """All clips that are `generating` and whose rows did not change since."""
        return self._table.pages(
            "read the clips that are being generated",
            lambda rows: rows.eq("status", "generating").lt("updated_at", iso(untouched_since)),
        )

    async def fail_unordered(
        self, clip_ids: Sequence[RowId], untouched_since: datetime, reason: str
    ) -> list[RowId]:
        """Fail those of the clips that still have no provider's id; the project of each."""
        failed = await self._table.change(
            "fail the clips that were never ordered",
            {"status": "failed", "error_message": reason},
            lambda rows: (
                rows.in_("id", clip_ids)
                .eq("status", "generating")
                .lt("updated_at", iso(untouched_since))
                .or_(f"{_NOT_ORDERED[0]}.is.null,{_NOT_ORDERED[0]}.eq.")
                .or_(f"{_NOT_ORDERED[1]}.is.null,{_NOT_ORDERED[1]}.eq.")
            ),
        )
        return [row["project_id"] for row in failed]

    async def stored_between(self, after: Place, before: datetime) -> list[KeptClip]:
        """Up to a page of stored clips behind that place which last changed before, in order."""
        exactly = after.updated_at.astimezone(UTC).isoformat()  # with the microseconds of rows
        same_time = f'and(updated_at.eq."{exactly}",id.gt.{after.id})'
        return await self._table.read(
            "read the clips that were stored a day ago",
            lambda rows: (
                rows.eq("status", "success")
                .eq("storage_status", "completed")
                .or_(f'updated_at.gt."{exactly}",{same_time}')
                .lt("updated_at", iso(before))
                .order("updated_at")
                .order("id")
                .limit(PAGE)
            ),
        )
