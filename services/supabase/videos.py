"""Rows of `user_videos`: single videos of a user."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.paths import TEMPORARY, PlainId
from services.supabase.table import OwnedRow, Table, owned_row

if TYPE_CHECKING:
    from services.supabase.client import Supabase

_NOT_STORED = "storage_path.is.null,status.in.(generating,downloading,failed)"


class VideoRow(OwnedRow):
    """A video as jobs read it."""

    status: str | None = None
    storage_path: str | None = None
    thumbnail_path: str | None = None
    file_size: int | None = None
    duration_seconds: int | None = None


class Videos:
    """The videos table."""

    def __init__(self, supabase: "Supabase") -> None:
        self._table = Table(supabase, "user_videos", VideoRow)

    async def owned(self, video_id: PlainId, user_id: PlainId) -> VideoRow | None:
        """The video, if `user_id` owns it; None for a temporary one. Raises NotFound, NotOwner."""
        if video_id.startswith(TEMPORARY):
            return None
        return await owned_row(self._table, "video", video_id, user_id)

    async def owner(self, video_id: PlainId) -> PlainId | None:
        """Whose video it is; None when there is no such row."""
        rows = await self._table.read(
            "read the video's owner", lambda rows: rows.eq("id", video_id)
        )
        return rows[0].user_id if rows else None

    async def update_download(self, video_id: PlainId, **fields: Any) -> None:
        """Set columns of a video that is not stored yet, or whose download failed.

        So a second delivery at the same time, or a deletion, is not undone.
        """
        await self._write(video_id, fields, lambda update: update.or_(_NOT_STORED))

    async def update(self, video_id: PlainId, **fields: Any) -> None:
        """Set columns of one video unless it is deleted; does nothing for a temporary one."""
        await self._write(video_id, fields, lambda update: update)

    async def _write(
        self, video_id: PlainId, fields: dict[str, Any], narrowed: Callable[[Any], Any]
    ) -> None:
        if video_id.startswith(TEMPORARY):
            return
        await self._table.change(
            "update the video",
            fields,
            lambda rows: narrowed(rows.eq("id", video_id).neq("status", "deleted")),
        )
