"""Finds the row of a picture's download: by its id, which jobs of the older form lack.

Those have the shot's number, which is not stable (see `_clip_row`), and the picture's URL. Their
row is found by both at the first attempt, and by its id from then on.
"""

from dataclasses import dataclass

from core.errors import NotFound
from core.paths import RowId
from services.bundle import Context
from services.supabase.storyboards import StoryboardRow


@dataclass(frozen=True, slots=True)
class Order:
    """A download job's picture. `row_id` is None in jobs of the older form."""

    project_id: RowId
    shot_number: int
    row_id: RowId | None
    url: str


async def row_of(ctx: Context, order: Order) -> StoryboardRow | None:
    """The picture's row; None when the shot has another picture by now.

    Raises NotFound when there is no such row.
    """
    row_id: str | None = order.row_id or ctx.checkpoint_fields.get("storyboard")
    if row_id is None:
        return await _bound(ctx, order)
    row = await ctx.services.storyboards.find(order.project_id, row_id)
    if row is None:
        raise _not_found(order)
    return row


async def _bound(ctx: Context, order: Order) -> StoryboardRow | None:
    found = _first_found(await ctx.services.storyboards.current(order.project_id), order)
    if found is not None:
        await ctx.checkpoint(storyboard=found.id)
    return found


def _first_found(rows: list[StoryboardRow], order: Order) -> StoryboardRow | None:
    at_number = [row for row in rows if row.shot_number == order.shot_number]
    for row in (*at_number, *rows):
        if row.image_url_external == order.url:
            return row
    if not at_number:
        raise _not_found(order)
    return next((row for row in at_number if row.image_url_external is None), None)


def _not_found(order: Order) -> NotFound:
    return NotFound(
        f"Project {order.project_id} has no storyboard row for shot {order.shot_number}"
    )
