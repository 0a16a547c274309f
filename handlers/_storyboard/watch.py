"""Ends the wait for pictures that do not come: see core/deadline.py."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from core.deadline import GIVEN_UP, Deadline
from core.errors import ProviderDown, ServiceError
from core.people import Thing, late
from handlers._storyboard.purchases import Purchases
from handlers._storyboard.rows import JobRows, status_of
from services.bundle import Context

SOON = timedelta(seconds=20)
"""When a job that has rows to write comes back: its database may be back before."""


class DeadlineWatch:
    """Fails the rows of a job without a picture when its `deadline` passes."""

    def __init__(
        self,
        ctx: Context,
        project_id: str,
        rows: JobRows,
        purchases: Purchases,
        deadline: Deadline,
    ) -> None:
        self._ctx = ctx
        self._project_id = project_id
        self._rows = rows
        self._purchases = purchases
        self._deadline = deadline

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """During the block, the rows fail when the deadline passes, whatever is waited for."""
        watching = asyncio.create_task(self._fail_when_over())
        try:
            yield
        finally:
            watching.cancel()
            [error] = await asyncio.gather(watching, return_exceptions=True)
            if isinstance(error, Exception):
                self._ctx.log.warning("What took too long was not failed: {}", error)

    async def _fail_when_over(self) -> None:
        while not self._deadline.give_up_if_over() or not await self._failed_in_time():
            # While the database is away it is tried again, as everywhere.
            left_s = self._deadline.left_s
            await asyncio.sleep(left_s if left_s > 0 else SOON.total_seconds())

    async def _failed_in_time(self) -> bool:
        """Fail what is not there; False when the database could not be reached."""
        waiting = [
            row.id
            for row in self._rows.by_shot.values()
            if not self._purchases.has(row.shot_number)  # a failed one may be made anew by now
        ]
        self._ctx.log.warning("Nobody waits any longer: what is not there of {} fails", waiting)
        await self._ctx.checkpoint(**{GIVEN_UP: True})
        storyboards, projects = self._ctx.services.storyboards, self._ctx.services.projects
        try:
            if waiting:
                await storyboards.fail_generating(waiting, late(Thing.PICTURE, self._ctx.language))
            own, current = await self._rows.with_current()
            # A picture that was bought is counted by whoever writes it, and so is the step.
            is_open = any(row.status == "generating" for row in own)
            if not is_open and not self._rows.are_superseded_by(current):
                await projects.update(self._project_id, step_3_status=status_of(own))
        except (ServiceError, ProviderDown) as error:
            self._ctx.log.warning("The rows of a job that took too long wait: {}", error)
            return False
        return True
