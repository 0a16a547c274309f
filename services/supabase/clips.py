"""Rows of `project_video_clips`: one a shot."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.columns import Moment
from core.paths import RowId, is_clip_of, is_older_clip
from services.supabase.table import Filters, Table, TableRow

if TYPE_CHECKING:
    from services.supabase.client import Supabase

# As in `cgt-20251009163014-wfnnx`: the day, and the time on it.
_TASK_ID = re.compile(r"cgt-([0-9]{8})([0-9]{6})?")
_END_OF_DAY = "235959"
# Seedance's and Veo's, whoever sells Veo.
_FPS = 24


class ClipRow(TableRow):
    """A clip as jobs read it. `status`: generating | success | failed."""

    id: str
    project_id: str
    shot_number: int
    status: str | None = None
    storage_status: str | None = None
    video_url: str | None = None
    video_url_external: str | None = None
    cdn_url: str | None = None
    storage_path: str | None = None
    seedance_task_id: str | None = None
    video_request_id: str | None = None
    updated_at: Moment | None = None

    @property
    def provider_id(self) -> str:
        """The provider's id of this generation; empty when nothing was ordered."""
        return self.seedance_task_id or self.video_request_id or ""

    @property
    def fps(self) -> int | None:
        """Frames a second of what was ordered; None for a video that came in another way."""
        return _FPS if self.provider_id else None

    @property
    def generation(self) -> str:
        """Tells this clip from the row's earlier and later ones; of a clip without id its URL."""
        return self.provider_id or self.video_url_external or self.video_url or ""

    @property
    def is_stored(self) -> bool:
        """Whether the row's object is this generation's."""
        return self.storage_status == "completed" and is_clip_of(
            self.storage_path, self.id, self.generation
        )

    @property
    def shows_older_clip(self) -> bool:
        """Whether `cdn_url` leads to the clip that the row had before this one."""
        return bool(self.cdn_url) and is_older_clip(self.storage_path, self.id, self.generation)

    @property
    def ordered_before(self) -> datetime | None:
        """A time after the order; None when none is known.

        By the task's id, else the row's last update. Its creation proves nothing: a clip that is
        ordered again keeps the row.
        """
        return ordered_at(self.seedance_task_id or "") or self.updated_at

    @property
    def wants_storing(self) -> bool:
        """Generated, and only the provider's short-lived copy exists."""
        is_pending = self.status == "success" and self.storage_status == "pending"
        return is_pending and bool(self.video_url_external)

    @property
    def is_googles(self) -> bool:
        """Whether Google itself generates it: its operations have names, predictions have ids."""
        return not self.seedance_task_id and "/operations/" in (self.video_request_id or "")


def ordered_at(task_id: str) -> datetime | None:
    """When a Seedance task was ordered, by its id; None if the id has no date.

    Known ids are in Beijing time: read as UTC, a task looks at most 8 h too recent.
    """
    found = _TASK_ID.match(task_id)
    if found is None:
        return None
    try:
        moment = datetime.strptime(found[1] + (found[2] or _END_OF_DAY), "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC)


class Clips:
    """The clips table."""

    def __init__(self, supabase: "Supabase") -> None:
        self._table = Table(supabase, "project_video_clips", ClipRow)

    async def of_project(self, project_id: RowId) -> list[ClipRow]:
        """All clips of a project, in shot order."""
        return await self._table.read(
            "read the clips", lambda rows: rows.eq("project_id", project_id).order("shot_number")
        )

    async def finish(self, row: ClipRow, **fields: Any) -> ClipRow | None:
        """Set columns of a clip that is still the generation that `row` shows.

        Returns the row as written, with the number that its shot has by then; None when it was
        finalised before, ordered again since, or removed.
        """
        changed = await self._table.change(
            "finalise the clip",
            fields,
            lambda request: _of_generation(row, request).eq("status", "generating"),
        )
        return ClipRow.model_validate(changed[0]) if changed else None

    async def update(self, row: ClipRow, **fields: Any) -> bool:
        """Set columns of a row that is still the generation that `row` shows; False if not."""
        return await self._change(
            "update the clip", fields, lambda request: _of_generation(row, request)
        )

    async def fail_storing(self, row: ClipRow) -> None:
        """Mark the clip as not stored, unless it is stored.

        Without `error_message`: the app would show it under a clip that plays well.
        """
        unstored = "storage_status.is.null,storage_status.neq.completed"
        await self._change(
            "mark the clip as not stored",
            {"storage_status": "failed"},
            lambda request: _of_generation(row, request).or_(unstored),
        )

    async def _change(self, operation: str, fields: dict[str, Any], chosen: Filters) -> bool:
        return bool(await self._table.change(operation, fields, chosen))


def _of_generation(row: ClipRow, request: Any) -> Any:
    """The request, restricted to this row and to the same generation of the clip."""
    request = request.eq("id", row.id)
    for column in ("seedance_task_id", "video_request_id"):
        value = getattr(row, column)
        request = request.is_(column, "null") if value is None else request.eq(column, value)
    return request
