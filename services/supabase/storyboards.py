"""Rows of `project_storyboards` and the pictures stored for them."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.columns import Moment
from core.errors import NotFound
from core.jobs.envelope import iso
from core.paths import Bucket, PlainId, RowId, storyboard_image
from services.supabase.table import UNSTORED, Table, TableRow

if TYPE_CHECKING:
    from services.supabase.client import Supabase

_TABLE = "project_storyboards"
# The limit of the `user-images` bucket.
MAX_IMAGE_BYTES = 10 * 1024 * 1024


class StoryboardRow(TableRow):
    """A storyboard as jobs read it. `status`: generating | success | failed."""

    id: str
    project_id: str
    shot_number: int
    is_current: bool = True
    status: str | None = None
    storage_status: str | None = None
    image_url: str | None = None
    image_url_external: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None

    @property
    def was_changed(self) -> bool:
        """Whether it was updated since it was inserted; renumbering does that, too."""
        return self.created_at is None or self.created_at != self.updated_at

    @property
    def is_superseded(self) -> bool:
        """A newer version of the shot was requested."""
        return not self.is_current

    @property
    def wants_storing(self) -> bool:
        """Generated, and only the provider's short-lived copy exists."""
        unstored = self.storage_status in {None, "pending"}
        return self.status == "success" and unstored and bool(self.image_url_external)


class UnstoredPicture(TableRow):
    """A picture of which only the provider's copy exists. Each version is a row of its own."""

    id: str
    project_id: str
    shot_number: int
    image_url: str | None = None
    image_url_external: str | None = None
    created_at: Moment
    updated_at: Moment

    @property
    def url(self) -> str:
        """Where the provider keeps it; empty if that is unknown."""
        return self.image_url_external or self.image_url or ""

    @property
    def born(self) -> datetime:
        """Before or when it was drawn: a failed download moves `updated_at` only."""
        return min(self.created_at, self.updated_at)


class GeneratingRow(TableRow):
    """A row that waits for its picture."""

    id: str
    project_id: str
    shot_number: int
    is_current: bool | None = None
    created_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file on this machine that is to be stored."""

    file: Path
    content_type: str
    size_bytes: int
    external_url: str | None = None


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture's place in the bucket."""

    path: str
    url: str
    size_bytes: int

    def columns(self) -> dict[str, Any]:
        """The row's fields for it."""
        return {
            "image_url": self.url,
            "cdn_url": self.url,
            "image_storage_path": self.path,
            "storage_status": "completed",
            "file_size": self.size_bytes,
            "error_message": None,
        }


class Storyboards:
    """The storyboards table and its folder in the `user-images` bucket."""

    def __init__(self, supabase: "Supabase") -> None:
        self._supabase = supabase
        self._table = Table(supabase, _TABLE, StoryboardRow)
        self._unstored = Table(supabase, _TABLE, UnstoredPicture)
        self._generating = Table(supabase, _TABLE, GeneratingRow)

    async def current(self, project_id: RowId) -> list[StoryboardRow]:
        """The current row of each shot, in shot order."""
        return await self._table.read(
            "read the storyboards",
            lambda rows: (
                rows.eq("project_id", project_id).eq("is_current", True).order("shot_number")
            ),
        )

    def unstored(self, drawn_since: datetime) -> AsyncGenerator[list[UnstoredPicture]]:
        """All pictures, of any project and version, that were drawn since and are not stored."""
        since = iso(drawn_since)
        return self._unstored.pages(
            "read the pictures that are not stored",
            lambda rows: (
                rows.eq("status", "success")
                .or_(UNSTORED)
                .gt("created_at", since)
                .gt("updated_at", since)
            ),
        )

    async def generating(self) -> list[GeneratingRow]:
        """The rows of all projects that wait for a picture."""
        pages = self._generating.pages(
            "read the storyboards", lambda rows: rows.eq("status", "generating")
        )
        return [row async for page in pages for row in page]

    async def generating_of(self, project_id: RowId) -> list[GeneratingRow]:
        """The project's rows of all versions that wait for a picture."""
        return await self._generating.read(
            "read the storyboards",
            lambda rows: rows.eq("project_id", project_id).eq("status", "generating"),
        )

    async def by_ids(self, project_id: RowId, row_ids: Sequence[str]) -> list[StoryboardRow]:
        """These rows of the project, current or not."""
        return await self._table.read(
            "read the storyboards",
            lambda rows: rows.eq("project_id", project_id).in_("id", row_ids),
        )

    async def find(self, project_id: RowId, row_id: RowId) -> StoryboardRow | None:
        """The row of this id within the project."""
        return next(iter(await self.by_ids(project_id, [row_id])), None)

    async def is_anothers(self, path: str, row: StoryboardRow) -> bool:
        """Whether another row of the project points to the object of this path."""
        found = await self._table.read(
            "read the storyboards",
            lambda rows: (
                rows.eq("project_id", row.project_id)
                .eq("image_storage_path", path)
                .neq("id", row.id)
                .limit(1)
            ),
        )
        return bool(found)

    async def update(self, row_id: RowId, **fields: Any) -> None:
        """Set columns of one row. Raises NotFound."""
        changed = await self._table.change(
            "update the storyboard",
            fields,
            lambda rows: rows.eq("id", row_id),
        )
        if not changed:
            raise NotFound(f"The storyboard row {row_id} was removed")

    async def succeed(self, row_id: RowId, **fields: Any) -> StoryboardRow | None:
        """Complete a row that has no picture yet, and return it; None if it has one already."""
        fields = {**fields, "status": "success", "error_message": None}
        rows = await self._table.change(
            "complete the storyboard",
            fields,
            lambda rows: rows.eq("id", row_id).neq("status", "success"),
        )
        return StoryboardRow.model_validate(rows[0]) if rows else None

    async def fail_generating(self, row_ids: list[str], reason: str) -> None:
        """Mark rows that are still `generating` as failed."""
        fields = {"status": "failed", "error_message": reason}
        await self._table.change(
            "finalise the storyboards",
            fields,
            lambda rows: rows.in_("id", row_ids).eq("status", "generating"),
        )

    async def fail_abandoned(
        self, project_id: RowId, unchanged_since: datetime, reason: str
    ) -> int:
        """Fail the current rows that are `generating` and older than that; returns how many."""
        fields = {"status": "failed", "error_message": reason}
        failed = await self._table.change(
            "finalise the storyboards",
            fields,
            lambda rows: (
                rows.eq("project_id", project_id)
                .eq("is_current", True)
                .eq("status", "generating")
                .lt("updated_at", iso(unchanged_since))
            ),
        )
        return len(failed)

    async def store(
        self,
        picture: Picture,
        user_id: PlainId,
        row: StoryboardRow,
        version_id: RowId | None,
        **also: Any,
    ) -> StoredPicture:
        """Upload a picture and complete its row, with the columns `also` set in the same update.

        `version_id` is None for jobs of the older form. Their paths have no row id, unless another
        row points there: one that had the shot's number before.
        """
        path = storyboard_image(user_id, row.project_id, row.shot_number, version_id)
        if version_id is None and await self.is_anothers(path, row):
            path = storyboard_image(user_id, row.project_id, row.shot_number, row.id)
        url = await self._supabase.upload(
            Bucket.IMAGES, path, picture.file, content_type=picture.content_type, max_age_s=0
        )
        stored = StoredPicture(path, url, picture.size_bytes)
        source = {"image_url_external": picture.external_url} if picture.external_url else {}
        await self.update(row.id, **stored.columns(), **source, **also)
        return stored
