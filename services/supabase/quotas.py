"""A user's storage, counted from the rows, and the `user_storage_quotas` row for it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from core.columns import Moment, as_bigint, as_integer
from core.concurrent import both
from core.errors import NotFound
from core.paths import RowId
from services.supabase.table import nothing_written

if TYPE_CHECKING:
    from services.supabase.client import Supabase

_VIDEOS = "user_videos"
_IMAGES = "user_images"
# PostgREST's default maximum of rows per response.
_PAGE_ROWS = 1000
# How long a subscriber whose payment is late keeps the plan.
_GRACE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Usage:
    """The number of videos, and their total size."""

    videos: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Storage:
    """What a user stores now: `shown` as the app shows it, `recorded` as the quota row has it."""

    shown: Usage
    recorded: Usage


class _FileRow(BaseModel):
    id: str
    status: str | None = None
    file_size: int | None = None


class Account(BaseModel):
    """The plan of a user."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    subscription_plan: str | None = None
    subscription_status: str | None = None
    subscription_period_end: Moment | None = None

    def is_subscribed(self, now: datetime) -> bool:
        """A paid plan that is active, or that ended less than 7 days ago."""
        if self.subscription_plan in {None, "free"}:
            return False
        end = self.subscription_period_end
        return self.subscription_status == "active" or (end is not None and now - end < _GRACE)


class Quotas:
    """Users' quotas; only `user_storage_quotas` is written."""

    def __init__(self, supabase: "Supabase") -> None:
        self._supabase = supabase

    async def account(self, user_id: RowId) -> Account:
        """The user's plan. Raises NotFound."""
        rows = await self._supabase.query(
            "read the user",
            lambda db: (
                db.from_("users")
                .select("subscription_plan,subscription_status,subscription_period_end")
                .eq("uuid", user_id)
                .execute()
            ),
        )
        if not rows:
            raise NotFound(f"User {user_id} does not exist")
        return Account.model_validate(rows[0])

    async def storage(self, user_id: RowId) -> Storage:
        """Count the user's files that are not deleted."""
        videos, images = await both(self._files(_VIDEOS, user_id), self._files(_IMAGES, user_id))
        shown = [row for row in videos if _is_shown(row)]
        pictures = [row for row in images if _is_shown(row)]
        completed = [row for row in videos if row.status == "completed"]
        return Storage(
            shown=Usage(len(shown), _size(shown) + _size(pictures)),
            recorded=Usage(len(completed), _size(videos)),
        )

    async def save(self, user_id: RowId, usage: Usage) -> None:
        """Write the quota row."""
        row = {
            "user_id": user_id,
            "total_videos": as_integer(usage.videos),
            "total_size_bytes": as_bigint(usage.size_bytes),
        }
        written = await self._supabase.query(
            "write the quota",
            lambda db: db.from_("user_storage_quotas").upsert(row, on_conflict="user_id").execute(),
        )
        if not written:
            raise nothing_written("write the quota")

    async def _files(self, table: str, user_id: RowId) -> list[_FileRow]:
        """The rows that are not deleted, page by page in the order of their ids.

        Pages begin after the last id, not at an offset, so new and removed rows shift nothing. The
        end is an empty page, since the server's row limit may be below the page size.
        """
        rows = page = await self._page(table, user_id, None)
        while page:
            page = await self._page(table, user_id, page[-1].id)
            rows = rows + page
        return rows

    async def _page(self, table: str, user_id: RowId, after: str | None) -> list[_FileRow]:
        def build(db: Any) -> Any:
            wanted = db.from_(table).select("id,status,file_size").eq("user_id", user_id)
            # In SQL, `status <> 'deleted'` is not true for a NULL status.
            wanted = wanted.or_("status.is.null,status.neq.deleted").is_("deleted_at", "null")
            wanted = wanted.gt("id", after) if after else wanted
            return wanted.order("id").limit(_PAGE_ROWS).execute()

        return [_FileRow.model_validate(row) for row in await self._supabase.query(table, build)]


def _is_shown(row: _FileRow) -> bool:
    return row.status == "completed" and bool(row.file_size)


def _size(rows: list[_FileRow]) -> int:
    return sum(row.file_size or 0 for row in rows)
