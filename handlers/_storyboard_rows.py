"""Which rows a storyboard job works on: those that were current when it first ran.

The person may ask for new pictures while an older job waits for its retry. The new rows belong to
the new job; the older one must neither buy for them nor settle them.
"""

from collections.abc import Collection

from core.paths import RowId
from services.bundle import Context
from services.storyboards import StoryboardRow


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
