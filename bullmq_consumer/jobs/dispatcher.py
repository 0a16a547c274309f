"""Runs one attempt of a registered handler, from the job's data to the attempt's outcome."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.errors import (
    LockLost,
    RequeueLater,
    RetryableError,
    UnrecoverableError,
    is_transient,
)
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.jobs.handler import InvalidJobData, Registered, Rules
from bullmq_consumer.jobs.job import Job
from bullmq_consumer.jobs.limit import Within
from bullmq_consumer.jobs.processes import Processes
from bullmq_consumer.jobs.registry import Entry
from bullmq_consumer.jobs.stop import Stop, StopReason
from bullmq_consumer.jobs.threads import Threads
from bullmq_consumer.log_filter import logged_as
from bullmq_consumer.machine import lack_of
from bullmq_consumer.outcome import (
    MAX_SNOOZES,
    Done,
    Fail,
    FailLater,
    Outcome,
    Requeue,
    Retry,
    as_written,
    decide,
    is_expected,
)
from bullmq_consumer.safety.fence import fenced
from bullmq_consumer.sanitize.text import one_line

logger = logging.getLogger(__name__)

Unknown = Literal["requeue", "fail"]
Hook = Callable[[Job[Any, Any], str], Awaitable[None]]

# A worker that serves the name is perhaps about to be deployed.
_UNKNOWN_DELAY = timedelta(seconds=30)
# A failure hook writes a few rows.
_HOOK_S = 30
# What a hook needs may be unreachable for some three hours; then the job fails without it.
_HOOK_WAITS = tuple(timedelta(seconds=min(30 * 2**n, 600)) for n in range(20))


class Dispatcher:
    """The application of a `Worker`: its handlers by name, with what its lifespan yields.

    `unknown` is what becomes of jobs whose name nobody serves here. `on_invalid` is called before
    a job fails for which no handler can be called. `queue` is what log records call it.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        deps: Any = None,
        *,
        queue: str = "-",
        unknown: Unknown = "requeue",
        on_invalid: Hook | None = None,
        fitness: Fitness | None = None,
    ) -> None:
        self._entries = entries
        self._deps = deps
        self._unknown: Unknown = unknown
        self._on_invalid = on_invalid
        self.fitness = fitness or Fitness()
        self.threads = Threads()
        self.processes = Processes(queue)
        self._queue = queue
        self.ended = 0
        self._stops: dict[str, Stop] = {}

    def releases_id(self, name: str) -> bool:
        """Whether a finished job of this name is removed, so that its id can be added again."""
        entry = self._entries.get(name)
        return entry is not None and entry.registered.rules.release_id

    def hides_retries(self, name: str) -> bool:
        """Whether a job of this name shows no `failedReason` while an attempt is left."""
        entry = self._entries.get(name)
        return entry is not None and entry.registered.rules.hide_retries

    def schedule_broke(self, schedule: str, reason: str) -> None:
        """The consumer has logged it."""

    def cancel(self, job_id: str) -> bool:
        """Ask the attempt at this job to end; False when none runs here."""
        stop = self._stops.get(job_id)
        if stop is None:
            return False
        stop.ask(StopReason.REQUESTED)
        return True

    async def run(
        self, delivery: Delivery, handle: JobHandle, stopping: asyncio.Event
    ) -> Done | Outcome:
        """Run one attempt. Raises nothing but CancelledError and KeyboardInterrupt."""
        return await self.run_until(Stop(stopping, lambda: handle.fence.is_lost), delivery, handle)

    async def run_until(self, stop: Stop, delivery: Delivery, handle: JobHandle) -> Done | Outcome:
        """As `run`, with the stop of the attempt given."""
        began = time.monotonic()
        self._stops[delivery.job_id] = stop
        try:
            with fenced(handle.fence), logged_as(self._queue, delivery):
                outcome = await self._outcome(delivery, handle, stop)
                if isinstance(outcome, Done):
                    line = "Completed: %s %s in %.2f s"
                    logger.info(line, delivery.name, delivery.job_id, time.monotonic() - began)
        finally:
            if self._stops.get(delivery.job_id) is stop:
                del self._stops[delivery.job_id]
        self.ended += 1
        return outcome

    async def on_failed(
        self, delivery: Delivery, handle: JobHandle, reason: str
    ) -> Fail | FailLater:
        """Call the hook of a job that is to fail, or return when to try again."""
        with fenced(handle.fence), logged_as(self._queue, delivery):
            return await self._failed(delivery, handle, reason)

    # -- an attempt -------------------------------------------------------------------------

    async def _outcome(self, delivery: Delivery, handle: JobHandle, stop: Stop) -> Done | Outcome:
        entry = self._entries.get(delivery.name)
        try:
            servable = self._servable(entry, delivery)
            result = await self._attempt(servable, delivery, handle, stop)
            written = as_written(Done(result), is_last_attempt=delivery.is_last_attempt)
            if isinstance(written, str):
                return Done(result, written)
            raise RetryableError(written.reason)
        except Exception as error:
            rules = entry.registered.rules if entry is not None else Rules()
            lack = lack_of(error)
            outcome = decide(
                error,
                is_last_attempt=delivery.is_last_attempt,
                snoozes=delivery.snoozes,
                is_unfit=lack is not None and await self.fitness.lacked(lack),
                max_snoozes=rules.max_requeues,
                fails_on=tuple(rules.fails_on),
            )
            _log(error, outcome, delivery)
            if not isinstance(outcome, Fail) or handle.fence.is_lost:
                return outcome
            ended = await self._failed(delivery, handle, outcome.reason)
            return outcome if isinstance(ended, Fail) else ended

    def _servable(self, entry: Entry | None, delivery: Delivery) -> Entry:
        if delivery.fault is not None:
            raise InvalidJobData(delivery.fault)
        if entry is not None:
            return entry
        known = ", ".join(sorted(self._entries))
        reason = f"No handler is called '{one_line(delivery.name, 100)}' here, only {known}"
        if self._unknown == "requeue" and delivery.snoozes < MAX_SNOOZES:
            raise RequeueLater(_UNKNOWN_DELAY, reason)
        raise UnrecoverableError(reason)

    async def _attempt(
        self, entry: Entry, delivery: Delivery, handle: JobHandle, stop: Stop
    ) -> Any:
        """The result as JSON, through the middleware."""
        data = entry.registered.parse(delivery.data)
        job = Job(delivery, data, self._deps, stop, handle)
        call: Callable[[], Awaitable[Any]]
        if entry.registered.rules.isolate:
            limit = entry.registered.rules.timeout
            call = partial(self.processes.run, entry.registered, delivery, handle, stop, limit)
        else:
            call = partial(self._call, entry.registered, job, stop)
        for wrap in reversed(entry.middleware):
            call = partial(wrap, job, call)
        return await call()

    async def _call(self, registered: Registered, job: Job[Any, Any], stop: Stop) -> Any:
        limit = registered.rules.timeout
        if registered.is_async:
            async with Within(limit, stop):
                result = await _foreseen(registered.function(job))
        else:
            result = await self.threads.run(registered.function, job, stop, limit)
        return registered.written(result)

    # -- its final failure ------------------------------------------------------------------

    async def _failed(self, delivery: Delivery, handle: JobHandle, reason: str) -> Fail | FailLater:
        waits = delivery.failure_waits
        if waits >= len(_HOOK_WAITS) or await self._hook_ran(delivery, handle, reason):
            return Fail(reason)
        return FailLater(reason, _HOOK_WAITS[waits])

    async def _hook_ran(self, delivery: Delivery, handle: JobHandle, reason: str) -> bool:
        """Run the hook, if there is one; False when it may succeed later."""
        stop = Stop(asyncio.Event(), lambda: handle.fence.is_lost)  # that of the attempt is over
        try:
            async with asyncio.timeout(_HOOK_S):
                await self._run_hook(delivery, handle, stop, reason)
        except LockLost:
            return True  # another worker has the job, and runs it
        except Exception as error:
            is_over = not is_transient(error)
            what = "failed" if is_over else "will be tried again"
            line = "The failure hook of %s %s %s: %s"
            logger.warning(
                line, delivery.name, delivery.job_id, what, error, exc_info=not is_expected(error)
            )
            return is_over
        return True

    async def _run_hook(
        self, delivery: Delivery, handle: JobHandle, stop: Stop, reason: str
    ) -> None:
        entry = self._entries.get(delivery.name)
        try:
            if entry is None or delivery.fault is not None:
                raise InvalidJobData(reason)
            data = entry.registered.parse(delivery.data)
        except InvalidJobData:
            if self._on_invalid is not None:
                await self._on_invalid(
                    Job(delivery, delivery.data, self._deps, stop, handle), reason
                )
            return
        hook, job = entry.registered.final_failure, Job(delivery, data, self._deps, stop, handle)
        if hook is None:
            return
        if entry.registered.is_async:
            await _foreseen(hook(job, reason))
        else:
            await self.threads.run(lambda sync_job: hook(sync_job, reason), job, stop)


async def _foreseen(call: Awaitable[Any]) -> Any:
    """What ends a program ends an attempt only: `sys.exit` in a library, a panic in its C code."""
    try:
        return await call
    except (Exception, asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise RetryableError(f"The handler raised {type(error).__name__}") from error


def _log(error: Exception, outcome: Outcome, delivery: Delivery) -> None:
    """What happens to the job, with the traceback of an error that nobody foresaw."""
    match outcome:
        case Retry():
            level, what = logging.WARNING, f"failed at attempt {delivery.attempts_made + 1}"
        case Fail():
            level, what = logging.ERROR, "failed for good"
        case Requeue() | FailLater():
            return  # the consumer logs what goes back
    line = "%s %s %s: %s"
    trace = None if is_expected(error) else error
    logger.log(level, line, delivery.name, delivery.job_id, what, outcome.reason, exc_info=trace)
