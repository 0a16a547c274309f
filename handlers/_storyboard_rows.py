"""Which rows a storyboard job works on: those that were current when it first ran.

The person may ask for new pictures while an older job waits for its retry. The new rows belong to
the new job; the older one must neither buy for them nor settle them.
"""

from collections.abc import Collection

from core import follow_ups
from core.follow_ups import FollowUp
from core.paths import PlainId, RowId
from services.bundle import Context
from services.storyboards import StoryboardRow

_DOWNLOAD_PRIORITY = 4


async def own_rows(
    ctx: Context, project_id: RowId, shot_numbers: Collection[int]
) -> dict[int, StoryboardRow]:
    """The job's rows by shot number; without numbers, all that were current.

    The first attempt writes their ids into the checkpoint, later ones read them there.
    """
    known: list[str] | None = ctx.checkpoint_fields.get("rows")
    if known is not None:
        rows = await ctx.services.storyboards.by_ids(project_id, known)
    else:
        rows = await ctx.services.storyboards.current(project_id)
        await ctx.checkpoint(rows=[row.id for row in rows])
    wanted = shot_numbers or {row.shot_number for row in rows}
    return {row.shot_number: row for row in rows if row.shot_number in wanted}


async def add_downloads(ctx: Context, project_id: RowId, user_id: PlainId) -> None:
    """Have each current picture stored that only the provider has, before its URL ends."""
    rows = await ctx.services.storyboards.current(project_id)
    await ctx.enqueue(*(_download(row, user_id) for row in rows if row.wants_storing))


def _download(row: StoryboardRow, user_id: PlainId) -> FollowUp:
    return follow_ups.storyboard_download(
        user_id=user_id,
        project_id=row.project_id,
        shot_number=row.shot_number,
        storyboard_id=row.id,
        external_url=row.image_url_external or "",
        priority=_DOWNLOAD_PRIORITY,
        remove_on_complete=True,
    )
