"""Rows of `user_videos`: single videos of a user."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from core.errors import NotFound, NotOwner
from core.paths import TEMPORARY, PlainId
from services.supabase.row_changes import change_rows

if TYPE_CHECKING:
    from services.supabase.client import Supabase

_TABLE = "user_videos"
_NOT_STORED = "storage_path.is.null,status.in.(generating,downloading,failed)"
_COLUMNS = "id,user_id,status,storage_path,thumbnail_path,file_size,duration_seconds"


class VideoRow(BaseModel):
    """The columns of a video that jobs read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    user_id: str
    status: str | None = None
    storage_path: str | None = None
    thumbnail_path: str | None = None
    file_size: int | None = None
    duration_seconds: int | None = None


class Videos:
    """The videos table."""

    def __init__(self, supabase: "Supabase") -> None:
        self._supabase = supabase

    async def owned(self, video_id: PlainId, user_id: PlainId) -> VideoRow | None:
        """The video, if `user_id` owns it; None for a temporary one. Raises NotFound, NotOwner."""
        if video_id.startswith(TEMPORARY):
            return None
        rows = await self._supabase.query(
            "read the video",
            lambda db: db.from_(_TABLE).select(_COLUMNS).eq("id", video_id).execute(),
        )
        if not rows:
            raise NotFound(f"Video {video_id} does not exist")
        video = VideoRow.model_validate(rows[0])
        if video.user_id != user_id:
            raise NotOwner(f"Video {video_id} does not belong to the job's user")
        return video

    async def update_download(self, video_id: PlainId, **fields: Any) -> None:
        """Set columns of a video that is not stored yet, or whose download failed.

        A second delivery at the same time, or a deletion, takes nothing back.
        """
        await self._write(video_id, fields, lambda update: update.or_(_NOT_STORED))

    async def update(self, video_id: PlainId, **fields: Any) -> None:
        """Set columns of one video, not of a deleted one; nothing to do for a temporary one."""
        await self._write(video_id, fields, lambda update: update)

    async def _write(
        self, video_id: PlainId, fields: dict[str, Any], narrowed: Callable[[Any], Any]
    ) -> None:
        if video_id.startswith(TEMPORARY):
            return
        await change_rows(
            self._supabase,
            "update the video",
            _TABLE,
            fields,
            lambda rows: narrowed(rows.eq("id", video_id).neq("status", "deleted")),
        )
