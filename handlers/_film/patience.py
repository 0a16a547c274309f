"""How long a film may take: a job that gets nowhere ends before its person stops waiting."""

import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

from core.deadline import PATIENCE, PROGRESSED_AT, Deadline, WaitedTooLong
from core.errors import LockLost, RequeueLater, is_transient
from services.bundle import Context
from services.supabase.projects import Project

_FAILED = "failed"
_KEEP_EVERY = timedelta(minutes=1)


class Patience:
    """Ends an attempt at a job older than `PATIENCE`, when nothing came for `STANDSTILL`.

    1. Progress is what brings the film nearer, and any answer of who renders it.
    2. The time of the last progress is in the checkpoint, written before the work, once a minute
       and at the end of an attempt: pauses between attempts count, also after a crash.
    3. It is looked at when something is in the way: a failure that another attempt may repair, or a
       question that got no answer. What works is never interrupted.

    Being taken by a worker for the first time counts as progress. `now` in seconds since the epoch.
    """

    def __init__(self, ctx: Context, now: Callable[[], float] = time.time) -> None:
        self._ctx = ctx
        self._now = now
        added_at = ctx.job.delivery.added_at
        kept = ctx.checkpoint_fields.get(PROGRESSED_AT)
        self._is_new = PROGRESSED_AT not in ctx.checkpoint_fields
        self._kept_at = 0.0 if not isinstance(kept, int | float) else kept
        asked_at = now() if added_at is None else added_at
        self._deadline = Deadline(asked_at, self._kept_at or now(), now=now)

    async def __aenter__(self) -> Self:
        self.check()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not isinstance(error, Exception) or isinstance(error, LockLost):
            return
        if _is_in_the_way(error):
            self.check(error)
        if is_transient(error):
            await self._keep()

    def begin(self, project: Project) -> None:
        """Begin the work. Raises WaitedTooLong when the row was settled before its first turn."""
        is_untouched = self._is_new and self._ctx.job.attempt == 1
        if is_untouched and self._is_old and project.step_6_status == _FAILED:
            raise WaitedTooLong

    async def keep(self) -> None:
        """Save the time of the last progress, unless one is: before anything may take long."""
        if not self._kept_at:
            await self._keep()

    async def progressed(self) -> None:
        """The film is nearer."""
        self._deadline.progressed()
        if self._deadline.progressed_at - self._kept_at >= _KEEP_EVERY.total_seconds():
            await self._keep()

    def check(self, cause: Exception | None = None) -> None:
        """Raises WaitedTooLong when it is too late."""
        if self._deadline.left_s <= 0:
            raise WaitedTooLong from cause

    async def _keep(self) -> None:
        await self._ctx.checkpoint(**{PROGRESSED_AT: self._deadline.progressed_at})
        self._kept_at = self._deadline.progressed_at

    @property
    def _is_old(self) -> bool:
        return self._now() - self._deadline.asked_at >= PATIENCE.total_seconds()


async def forget_patience(ctx: Context) -> None:
    """Who retries a failed job by hand begins anew.

    The field stays, empty: by it the job is told from one whose first turn has come.
    """
    await ctx.checkpoint(**{PROGRESSED_AT: None})


def _is_in_the_way(error: Exception) -> bool:
    """Whether the job would wait: not where its worker stops, and another one goes on."""
    is_stop = isinstance(error, RequeueLater) and not error.delay
    return is_transient(error) and not is_stop
