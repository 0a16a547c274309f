"""Runs one attempt of a registered handler, from the job's data to the attempt's outcome."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.errors import (
    RequeueLater,
    UnrecoverableError,
)
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.jobs.adapters import load
from bullmq_consumer.jobs.ends import End, Ends
from bullmq_consumer.jobs.final_failure import FinalFailures, OnInvalid
from bullmq_consumer.jobs.handler import Registered
from bullmq_consumer.jobs.isolated.processes import Processes
from bullmq_consumer.jobs.job import Job
from bullmq_consumer.jobs.limit import Within, contained
from bullmq_consumer.jobs.observer import Observer
from bullmq_consumer.jobs.registry import Entry, Middleware
from bullmq_consumer.jobs.stop import Stop, StopReason
from bullmq_consumer.jobs.taken import InvalidJobData
from bullmq_consumer.jobs.threads import Threads
from bullmq_consumer.log_filter import logged_as
from bullmq_consumer.outcome import (
    MAX_SNOOZES,
    Done,
    Fail,
    FailLater,
    Outcome,
    done_with,
)
from bullmq_consumer.safety.fence import fenced
from bullmq_consumer.sanitize.text import one_line

logger = logging.getLogger(__name__)

Unknown = Literal["requeue", "fail"]
Scope: TypeAlias = Callable[[Job[Any, Any]], AbstractAsyncContextManager[Any]]
E = TypeVar("E", bound=Outcome)

# A worker that serves the name is perhaps about to be deployed.
_UNKNOWN_DELAY = timedelta(seconds=30)


class Dispatcher:
    """The application of a `Worker`: its handlers by name, with what its lifespan yields.

    `unknown` is what becomes of jobs whose name nobody serves here, and `middleware` what surrounds
    those. `on_invalid` is called before a job fails for which no handler can be called. `scope` is
    entered for each attempt, and what it yields is given to the handler in place of `deps`.
    `observer` learns what became of attempts. `scrub` takes secrets out of what is kept of errors.
    `fitness` is told what the machine lacks. `queue` is what log records call it.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        deps: Any = None,
        *,
        queue: str = "-",
        middleware: tuple[Middleware[Any], ...] = (),
        unknown: Unknown = "requeue",
        on_invalid: OnInvalid | None = None,
        scope: Scope | None = None,
        observer: Observer[Any] | None = None,
        scrub: Callable[[str], str] | None = None,
        fitness: Fitness | None = None,
    ) -> None:
        self._entries = entries
        self._deps = deps
        self._middleware = middleware
        self._unknown: Unknown = unknown
        self._scope = scope
        self._observer = observer or Observer()
        self.fitness = fitness or Fitness()
        self.threads = Threads()
        self.processes = Processes(queue)
        self._queue = queue
        self.ended = 0
        hooks = FinalFailures(entries, self.threads, self._observer, on_invalid)
        self._ends = Ends(entries, hooks, self._observer, self.fitness, scrub)
        self._stops: dict[str, Stop] = {}

    def releases_id(self, name: str) -> bool:
        """Whether a finished job of this name is removed, so that its id can be added again."""
        return self._ends.rules(name).release_id

    def hides_retries(self, name: str) -> bool:
        """Whether a job of this name shows no `failedReason` while an attempt is left."""
        return self._ends.rules(name).hide_retries

    def schedule_broke(self, schedule: str, reason: str) -> None:
        """The consumer has logged it."""
        try:
            self._observer.schedule_broke(schedule, reason)
        except Exception:
            logger.exception("The observer of schedule %s failed", one_line(schedule))

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
        self._stops[delivery.job_id] = stop
        try:
            job = Job(delivery, delivery.data, self._deps, stop, handle)
            with fenced(handle.fence), logged_as(self._queue, delivery):
                end = await self._scoped(job, partial(self._end, stop))
                outcome = await self._ends.told(end)
        finally:
            if self._stops.get(delivery.job_id) is stop:
                del self._stops[delivery.job_id]
        self.ended += 1
        return outcome

    async def on_failed(
        self, delivery: Delivery, handle: JobHandle, reason: str
    ) -> Fail | FailLater:
        """Call the hook of a job that is to fail, or return when to try again."""
        stop = Stop(asyncio.Event(), lambda: handle.fence.is_lost)
        job = Job(delivery, delivery.data, self._deps, stop, handle)
        error = UnrecoverableError(reason)
        with fenced(handle.fence), logged_as(self._queue, delivery):
            end = await self._scoped(job, partial(self._fail, error))
            if end.error is not error:  # it is the scope's, and the hook has not run
                end = End(end.job, self._ends.later(job, Fail(reason), error), error)
            outcome = await self._ends.told(end)
        return outcome if isinstance(outcome, Fail | FailLater) else Fail(reason)

    # -- around an attempt ------------------------------------------------------------------

    async def _scoped(
        self, job: Job[Any, Any], work: Callable[[Job[Any, Any]], Awaitable[End]]
    ) -> End:
        """What `work` makes of the job, with the scope around it."""
        if self._scope is None:
            return await work(job)
        ends: list[End] = []
        try:
            async with self._scope(job) as deps:
                ends.append(await work(job.holding(job.data, deps)))
        except BaseException as raised:
            error = contained(raised)
            logger.exception("The scope of %s %s failed", job.name, job.id)
            end = ends[0] if ends else End(job, Done(None), error)
            return await self._unscoped(end, error)
        if not ends:
            raise asyncio.CancelledError  # which the scope had swallowed
        return ends[0]

    async def _unscoped(self, end: End, error: Exception) -> End:
        """Of an attempt whose scope failed: a failure waits, for its hook to run in a scope."""
        if isinstance(end.outcome, Fail) and end.error is not None:
            return end._replace(outcome=self._ends.later(end.job, end.outcome, end.error))
        if isinstance(end.outcome, FailLater):
            return end
        outcome = await self._ends.of_error(error, end.job)
        if isinstance(outcome, Fail):
            outcome = self._ends.later(end.job, outcome, error)
        return End(end.job, outcome, error)

    async def _end(self, stop: Stop, job: Job[Any, Any]) -> End:
        """Of the attempt."""
        try:
            return End(job, done_with(await self._attempt(job, stop)), None)
        except BaseException as raised:
            error = contained(raised)
            outcome = await self._ends.of_error(error, job)
            if isinstance(outcome, Fail):
                outcome = await self._ends.after_hook(outcome, job, error)
            return End(job, outcome, error)

    async def _fail(self, error: UnrecoverableError, job: Job[Any, Any]) -> End:
        return End(job, await self._ends.after_hook(Fail(str(error)), job, error), error)

    # -- an attempt -------------------------------------------------------------------------

    def _attempt(self, job: Job[Any, Any], stop: Stop) -> Awaitable[Any]:
        """The result as JSON, through the middleware."""
        entry = self._entries.get(job.name)
        call: Callable[[], Awaitable[Any]] = partial(self._serve, entry, job, stop)
        for wrap in reversed(self._middleware if entry is None else entry.middleware):
            call = partial(wrap, job, call)
        return call()

    async def _serve(self, entry: Entry | None, job: Job[Any, Any], stop: Stop) -> Any:
        registered = self._servable(entry, job.delivery)
        if registered.needs_pydantic:
            await load()
        data = registered.takes.parse(job.data)
        own = job if data is job.data else job.holding(data, job.deps)
        if registered.rules.isolate:
            limit = registered.rules.timeout
            return await self.processes.run(registered, job.delivery, job.handle, stop, limit)
        return registered.written(await self._call(registered, own, stop))

    def _servable(self, entry: Entry | None, delivery: Delivery) -> Registered:
        if delivery.fault is not None:
            raise InvalidJobData(delivery.fault)
        if entry is not None:
            return entry.registered
        known = ", ".join(sorted(self._entries))
        reason = f"No handler is called '{one_line(delivery.name, 100)}' here, only {known}"
        if self._unknown == "requeue" and delivery.snoozes < MAX_SNOOZES:
            raise RequeueLater(_UNKNOWN_DELAY, reason)
        raise UnrecoverableError(reason)

    async def _call(self, registered: Registered, job: Job[Any, Any], stop: Stop) -> Any:
        limit = registered.rules.timeout
        if not registered.is_async:
            return await self.threads.run(registered.function, job, stop, limit)
        try:
            with Within(limit, stop):
                return await registered.function(job)
        except Exception:
            raise
        except BaseException as error:
            raise contained(error) from error
