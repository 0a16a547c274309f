"""Which row a clip's download is for: found at the first attempt, and gone by from then on.

The payload names the shot's number, and numbers move: deleting a shot in the app lowers those of
all later rows, one by one, while jobs run. What stays is the row's id and the provider's id of the
clip, which the job's own id holds.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from core.errors import NotFound
from core.jobs import follow_ups
from core.paths import RowId
from services.bundle import Context
from services.supabase.clips import ClipRow


@dataclass(frozen=True, slots=True)
class Order:
    """What a download job says of its clip. `provider_id` as job ids hold it, empty if unknown."""

    project_id: RowId
    shot_number: int
    provider_id: str
    url: str


async def row_of(ctx: Context, order: Order) -> ClipRow | None:
    """The clip's row as it is now; None when it is about another clip by now.

    The checkpoint keeps the row's id. Raises NotFound when there is no such row.
    """
    rows = await ctx.services.clips.of_project(order.project_id)
    known: str | None = ctx.checkpoint_fields.get("clip")
    if known is not None:
        return _still(rows, known, order)
    found = _first_found(rows, order)
    if found is not None:
        await ctx.checkpoint(clip=found.id)
    return found


def _still(rows: Iterable[ClipRow], clip_id: str, order: Order) -> ClipRow | None:
    row = next((row for row in rows if row.id == clip_id), None)
    if row is None:
        raise NotFound(f"The clip of shot {order.shot_number} was removed")
    return row if _has_id(row, order) or _has_url(row, order) or _is_blank(row) else None


def _first_found(rows: list[ClipRow], order: Order) -> ClipRow | None:
    """By the provider's id or the URL; the shot may have another number by now."""
    at_number = [row for row in rows if row.shot_number == order.shot_number]
    # Providers sign the URL of one clip anew for each question, so their id comes first. The number
    # decides where several rows name one URL.
    for is_meant in (_has_id, _has_url):
        for row in (*at_number, *rows):
            if is_meant(row, order):
                return row
    if not at_number:
        raise NotFound(f"Project {order.project_id} has no clip for shot {order.shot_number}")
    return next((row for row in at_number if _is_blank(row)), None)


def _has_id(row: ClipRow, order: Order) -> bool:
    return bool(order.provider_id) and follow_ups.in_job_id(row.provider_id) == order.provider_id


def _has_url(row: ClipRow, order: Order) -> bool:
    """A clip that is being generated anew still names the URL of the one before it."""
    return row.status == "success" and order.url in {row.video_url_external, row.video_url}


def _is_blank(row: ClipRow) -> bool:
    """Finished, and names neither a provider's id nor a URL: only the number can tell."""
    return row.status == "success" and not (
        row.provider_id or row.video_url_external or row.video_url
    )
