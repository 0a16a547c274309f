"""Finds the row of a clip's download, once, at the first attempt.

The payload has the shot's number, which is not stable: deleting a shot in the app renumbers all
later rows, one by one, while jobs run. Stable are the row's id and the provider's id of the clip,
which the job's own id holds.
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
    """A download job's clip. `provider_id` in the form of job ids, empty if unknown."""

    project_id: RowId
    shot_number: int
    provider_id: str
    url: str


async def row_of(ctx: Context, order: Order) -> ClipRow | None:
    """The clip's current row; None when the row has another clip by now.

    Raises NotFound when there is no such row.
    """
    rows = await ctx.services.clips.of_project(order.project_id)
    known: str | None = ctx.checkpoint_fields.get("clip")
    if known is not None:
        return _still(rows, known, ctx.checkpoint_fields.get("provider_id", ""), order)
    return _first_found(rows, order)


async def remember(ctx: Context, row: ClipRow) -> None:
    """Save the row's id and its provider's id to the checkpoint, by which later attempts go."""
    if "clip" not in ctx.checkpoint_fields:
        await ctx.checkpoint(clip=row.id, provider_id=row.provider_id)


def _still(rows: Iterable[ClipRow], clip_id: str, provider_id: str, order: Order) -> ClipRow | None:
    row = next((row for row in rows if row.id == clip_id), None)
    if row is None:
        raise NotFound(f"The clip of shot {order.shot_number} was removed")
    if provider_id:  # the row may have the same clip under a URL that was signed anew
        return row if row.provider_id == provider_id else None
    return row if _has_id(row, order) or _has_url(row, order) or _is_blank(row) else None


def _first_found(rows: list[ClipRow], order: Order) -> ClipRow | None:
    """By the provider's id or the URL; the shot may have another number by now."""
    at_number = [row for row in rows if row.shot_number == order.shot_number]
    # Providers return another signed URL for each request, so their id is tried first. The number
    # decides between rows with the same URL.
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
    """Only finished clips: one that is being regenerated still has its predecessor's URL."""
    return row.status == "success" and order.url in {row.video_url_external, row.video_url}


def _is_blank(row: ClipRow) -> bool:
    """Finished, without a provider's id and a URL: only the number identifies it."""
    return row.status == "success" and not (
        row.provider_id or row.video_url_external or row.video_url
    )
