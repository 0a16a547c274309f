"""What is done before a job fails for good: its hook, which runs again until it succeeds."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from bullmq_consumer.errors import LockLost, holds_failure, is_transient
from bullmq_consumer.jobs.job import Job
from bullmq_consumer.jobs.limit import foreseen, is_cancelled
from bullmq_consumer.jobs.observer import Observer
from bullmq_consumer.jobs.registry import Entry
from bullmq_consumer.jobs.rules import FAILURE_PAUSE
from bullmq_consumer.jobs.stop import Stop
from bullmq_consumer.jobs.taken import InvalidJobData
from bullmq_consumer.jobs.threads import Threads
from bullmq_consumer.outcome import Fail, FailLater

logger = logging.getLogger(__name__)

OnInvalid = Callable[[Job[Any, Any], str], Awaitable[None]]

# A failure hook writes a few rows.
_HOOK_S = 30
# Between tries of a hook: doubling from here, to what its job's rules say.
_FIRST_PAUSE_S = 30
# What a hook needs may be unreachable for a day; then the job fails without it.
_LONGEST_OUTAGE_S = 24 * 3600


class FinalFailures:
    """Of one worker. `on_invalid` is called for jobs for which neither handler nor hook can be."""

    def __init__(
        self,
        entries: Mapping[str, Entry],
        threads: Threads,
        observer: Observer[Any],
        on_invalid: OnInvalid | None,
    ) -> None:
        self._entries = entries
        self._threads = threads
        self._observer = observer
        self._on_invalid = on_invalid

    async def prepare(self, job: Job[Any, Any], reason: str) -> Fail | FailLater:
        """Run the hook of a job that is to fail; while it cannot succeed, the failure waits."""
        if await self._ran(job, reason):
            return Fail(reason)
        return self.later(job, reason)

    def later(self, job: Job[Any, Any], reason: str) -> Fail | FailLater:
        """The failure once its hook could not run: it waits, but not for ever."""
        entry = self._entries.get(job.name)
        pauses = _pauses(FAILURE_PAUSE if entry is None else entry.registered.rules.failure_pause)
        waits = job.delivery.failure_waits
        return FailLater(reason, pauses[waits]) if waits < len(pauses) else Fail(reason)

    async def _ran(self, job: Job[Any, Any], reason: str) -> bool:
        """Run the hook, if there is one; False when it may succeed later."""
        stop = Stop(asyncio.Event(), lambda: job.handle.fence.is_lost)  # the attempt's is over
        try:
            async with asyncio.timeout(_HOOK_S):
                await foreseen(self._run(job, stop, reason))
        except LockLost:
            return True  # another worker has the job, and runs it
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            return False  # the hook cancelled a task of its own
        except Exception as error:
            self._tell(job, error)
            return not self._waits_after(job, error)
        return True

    def _waits_after(self, job: Job[Any, Any], error: Exception) -> bool:
        """Whether the hook runs again. Of a job whose reason people read, only if that may help."""
        entry = self._entries.get(job.name)
        is_read = entry is not None and entry.registered.rules.public_reason is not None
        return is_transient(error) if is_read else holds_failure(error)

    def _tell(self, job: Job[Any, Any], error: Exception) -> None:
        try:
            self._observer.hook_failed(job, error)
        except Exception:
            logger.exception("The observer of %s %s failed", job.name, job.id)

    async def _run(self, job: Job[Any, Any], stop: Stop, reason: str) -> None:
        entry = self._entries.get(job.name)
        hook = None if entry is None else entry.registered.final_failure
        try:
            data = _taken(entry, job)
        except InvalidJobData:
            if self._on_invalid is not None:
                await self._on_invalid(job.stopped_by(stop), reason)
            return
        if hook is None:
            return
        own = job.stopped_by(stop).holding(data, job.deps)
        if hook.is_async:
            await hook.function(own, reason)
        else:
            await self._threads.run(lambda sync_job: hook.function(sync_job, reason), own, stop)


def _taken(entry: Entry | None, job: Job[Any, Any]) -> Any:
    """The data as the hook takes them, else as the handler does. Raises InvalidJobData."""
    if entry is None:
        raise InvalidJobData("nobody has its name")
    if (hook := entry.registered.final_failure) is not None:
        return hook.takes.parse(job.data)
    if job.delivery.fault is not None:
        raise InvalidJobData(job.delivery.fault)
    return entry.registered.takes.parse(job.data)


@cache
def _pauses(longest: timedelta) -> tuple[timedelta, ...]:
    """All that a job may wait for its hook, one after another."""
    found: list[timedelta] = []
    waited, pause = timedelta(0), timedelta(seconds=_FIRST_PAUSE_S)
    while waited < timedelta(seconds=_LONGEST_OUTAGE_S):
        found.append(min(pause, longest))
        waited, pause = waited + found[-1], min(2 * pause, longest)
    return tuple(found)
