"""The rows that a storyboard job works on: those of its request that were current at first.

The user may request new pictures while an older job waits, for its retry or for its first turn. The
new rows belong to the new job; the older one must neither buy for them nor finalise them.

Numbers are not stable: deleting a shot in the app removes its rows and renumbers all later ones
while jobs run. For the job, rows and shots keep the numbers that they had when it first ran.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from core.concurrent import both
from core.deadline import CLOCKS_DIFFER, is_of_newer_request
from core.errors import RequeueLater
from core.paths import PlainId, RowId
from core.people import Thing, Why
from core.storyboard.renumbering import OF_NO_SHOT
from core.storyboard.script import Shot
from handlers._storyboard.numbers import numbered_as_asked
from services.bundle import Context
from services.supabase.projects import Project
from services.supabase.storyboards import StoryboardRow

Rows = list[StoryboardRow]

# Rows read this recently are not read again: some four round trips to a far database.
_FRESH_S = 0.5

# Rows that came so much after the job are another's, if a later job is in the queue: nobody resets
# and asks anew more quickly. More than the clocks of most apps and databases differ by, so that few
# jobs ask the queue.
_ASKED_ANEW = timedelta(seconds=0.5)
# Within this time the app has added the job of rows that it inserted, many times over.
_ADDED_WITHIN, _SOON = timedelta(seconds=10), timedelta(seconds=5)
_DRAWN = {"success", "failed"}


class JobRows:
    """The job's rows of its shots, by number, as just read.

    `ids` are those of all its rows, with their numbers, when it first ran: also of rows that were
    removed since, and of shots that the job does not draw: `shot_numbers` are those that it does.
    """

    def __init__(
        self,
        ctx: Context,
        project_id: RowId,
        rows: Sequence[StoryboardRow],
        ids: Mapping[str, int],
        shot_numbers: Collection[int] = (),
    ) -> None:
        self.by_shot: Mapping[int, StoryboardRow] = {row.shot_number: row for row in rows}
        self._ids = ids
        drawn = {row_id for row_id, number in ids.items() if number in shot_numbers}
        self._drawn = drawn or set(ids)  # an earlier version kept no numbers
        self._ctx = ctx
        self._project_id = project_id
        self._latest = {row.id: row for row in rows}
        self._read_at = time.monotonic()
        self._reading = asyncio.Lock()
        self._ahead: Rows = []
        self._ahead_at = float("-inf")

    @property
    def have_one_of_no_shot(self) -> bool:
        """Whether a row is none of the job's shots', as the script was changed: it gets nothing."""
        return OF_NO_SHOT in self._ids.values()

    async def fail_of_no_shot(self, why: Why | str) -> None:
        """Fail the rows that are still `generating` and none of the job's shots': none is drawn."""
        row_ids = [row_id for row_id, number in self._ids.items() if number == OF_NO_SHOT]
        if row_ids:
            text = self._ctx.for_people(Thing.PICTURE, why)
            await self._ctx.services.storyboards.fail_generating(row_ids, text)

    async def remember(self) -> None:
        """Save ids and numbers to the checkpoint, so that later attempts use the same rows."""
        if "rows" not in self._ctx.checkpoint_fields:
            await self._ctx.checkpoint(rows=dict(self._ids))

    async def now(self, row: StoryboardRow) -> StoryboardRow | None:
        """The row, at most half a second old; None when it was removed.

        Read it before a purchase: another job on the same rows may have been quicker. Concurrent
        calls share one read of all rows.
        """
        requested_at = time.monotonic()
        async with self._reading:
            if requested_at - self._read_at > _FRESH_S:
                began_at = time.monotonic()  # the age of the data counts from the request
                self._latest = {row.id: row for row in await self._own()}
                self._read_at = began_at
        return self._latest.get(row.id)

    async def read_ahead(self) -> None:
        """Read now what `current` returns soon."""
        requested_at = time.monotonic()
        self._ahead = await self._ctx.services.storyboards.current(self._project_id)
        self._ahead_at = requested_at

    async def current(self) -> Rows:
        """The project's current rows, at most half a second old."""
        if time.monotonic() - self._ahead_at > _FRESH_S:
            await self.read_ahead()
        return self._ahead

    def are_superseded_by(self, current: Rows) -> bool:
        """Whether there are rows of a newer request, or no row of its shots is left.

        Then a newer version was requested, or all was reset. A removed shot's number passes to
        another row, which does not count as a later one.
        """
        if not any(row.id in self._drawn for row in current):
            return True
        return any(row.id not in self._ids and self._is_later(row) for row in current)

    def _is_later(self, row: StoryboardRow) -> bool:
        return row.shot_number in self.by_shot or _is_newer(self._ctx, row)

    async def with_current(self) -> tuple[Rows, Rows]:
        """The job's rows, and the project's current ones, freshly read."""
        current = self._ctx.services.storyboards.current(self._project_id)
        return await both(self._own(), current)

    async def _own(self) -> Rows:
        ids = [row.id for row in self.by_shot.values()]
        return await self._ctx.services.storyboards.by_ids(self._project_id, ids)


async def project_and_rows(
    ctx: Context,
    project_id: RowId,
    user_id: PlainId,
    shot_numbers: Collection[int],
    shots: Sequence[Shot] = (),
) -> tuple[Project, JobRows]:
    """The job's project, and its rows of these shots; of all shots without numbers.

    Retries get the rows that the first attempt remembered, which finds them by the texts of
    `shots` if the rows were renumbered before it. Raises NotFound, NotOwner or RequeueLater.
    """
    owned = ctx.services.projects.owned(project_id, user_id)
    project, rows = await both(owned, _read(ctx, project_id))
    if "rows" not in ctx.checkpoint_fields:
        rows = await numbered_as_asked(ctx, project_id, rows, shots)
        rows = await _of_this_request(ctx, project_id, rows)
    wanted = [row for row in rows if not shot_numbers or row.shot_number in shot_numbers]
    return project, JobRows(ctx, project_id, wanted, _ids(ctx, rows), shot_numbers)


async def _of_this_request(ctx: Context, project_id: RowId, rows: Rows) -> Rows:
    """Without the rows of a newer request: those that came after the job, if another job did.

    Raises RequeueLater for rows that came so lately that their own job may not be added yet.
    """
    if not any(_is_newer(ctx, row, by=_ASKED_ANEW) for row in rows):
        return rows
    if await _is_asked_anew(ctx, project_id):
        return [row for row in rows if not _is_newer(ctx, row, by=_ASKED_ANEW)]
    newer = [row for row in rows if _is_newer(ctx, row)]
    if any(row.status in _DRAWN for row in newer):  # by a later job, which has ended
        return [row for row in rows if row not in newer]
    if any(_came_just_now(row) for row in newer):
        raise RequeueLater(_SOON, "the storyboard rows are newer than the job: their own may come")
    if newer:
        ctx.log.warning("The clocks of app and database differ: the rows came after their only job")
    return rows


def _came_just_now(row: StoryboardRow) -> bool:
    """Not for a time to come: then the clocks differ, by more than the job has waited."""
    age_s = time.time() - (0.0 if row.created_at is None else row.created_at.timestamp())
    return 0 <= age_s < _ADDED_WITHIN.total_seconds()


async def _is_asked_anew(ctx: Context, project_id: RowId) -> bool:
    added_at = ctx.job.delivery.added_at or 0.0
    jobs = await ctx.services.open_jobs.like(f"storyboard_{project_id}_*")
    return any(job.added_at > added_at for job in jobs)


def _is_newer(ctx: Context, row: StoryboardRow, by: timedelta = CLOCKS_DIFFER) -> bool:
    return is_of_newer_request(row.created_at, ctx.job.delivery.added_at, by)


def _ids(ctx: Context, rows: Rows) -> dict[str, int]:
    """The numbers of the job's rows, with those that the first attempt remembered."""
    known: dict[str, int] | list[str] = ctx.checkpoint_fields.get("rows", {})
    remembered = known if isinstance(known, dict) else dict.fromkeys(known, OF_NO_SHOT)
    return {**remembered, **{row.id: row.shot_number for row in rows}}


async def _read(ctx: Context, project_id: RowId) -> Rows:
    known: dict[str, int] | list[str] | None = ctx.checkpoint_fields.get("rows")
    if known is None:
        return await ctx.services.storyboards.current(project_id)
    rows = await ctx.services.storyboards.by_ids(project_id, list(known))
    if isinstance(known, list):  # a job that started under an earlier version
        return rows
    return [row.model_copy(update={"shot_number": known[row.id]}) for row in rows]


def status_of(rows: Rows) -> str:
    """The status of step 3 by the job's rows, once nothing more is made."""
    there = [row.status == "success" for row in rows]
    if there and all(there):
        return "completed"
    return "partial" if any(there) else "failed"
