"""Runs one job, from its payload to its outcome. Independent of BullMQ."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.machine import lack_of
from bullmq_consumer.outcome import Done, Fail, FailLater, Outcome, Retry, decide
from bullmq_consumer.safety.fence import fenced
from bullmq_consumer.sanitize.text import one_line
from config.logging.redaction import Redact
from core.alert import Alert, AlertSink, no_alerts, shown
from core.errors import (
    InvalidData,
    LockLost,
    RetryableError,
    UnknownJob,
    UnrecoverableError,
    is_transient,
)
from core.jobs.context import JobContext, percent_of
from core.jobs.data import JobResult, parse
from core.jobs.envelope import success
from core.jobs.registry import JobSpec
from core.meter import meter
from runtime.job_log import JobLogger
from runtime.job_story import JobStory
from runtime.work_folders import JobFolder
from services.bundle import Context, Services

# A failure hook writes a few rows.
_HOOK_TIMEOUT_S = 30
# Unreachable rows are retried for some three hours; after that the reconciler repairs them.
_FAILURE_WAITS = tuple(timedelta(seconds=min(30 * 2**n, 600)) for n in range(20))


class Dispatcher:
    """Finds the handler of a delivery, runs it and decides the job's outcome.

    `work_folder` is where the jobs' folders are made, else the system's temporary folder.
    `notify` is called for jobs that failed for good. `scrub` removes secrets from failure reasons.
    No job starts before `loaded` is set: its handler would block the event loop with imports.
    `fitness` is informed of what the machine lacks.
    """

    def __init__(
        self,
        specs: Mapping[str, JobSpec],
        services: Services,
        work_folder: Callable[[], Path | None] = lambda: None,
        notify: AlertSink = no_alerts,
        scrub: Redact = str,
        loaded: asyncio.Event | None = None,
        fitness: Fitness | None = None,
    ) -> None:
        self._specs = specs
        self._services = services
        self._work_folder = work_folder
        self._notify = notify
        self._scrub = scrub
        self._loaded = loaded or _set_event()
        self.fitness = fitness or Fitness(work_folder)

    def releases_id(self, name: str) -> bool:
        """Whether finished jobs of this name are removed, which releases their id."""
        spec = self._specs.get(name)
        return spec is not None and spec.release_id

    def hides_retries(self, name: str) -> bool:
        """Whether jobs of this name have no `failedReason` while an attempt is left."""
        spec = self._specs.get(name)
        return spec is not None and spec.hides_retries

    def schedule_broke(self, schedule: str, reason: str) -> None:
        """Report a schedule that cannot go on: no further job of it will come."""
        text = f"The schedule {shown(schedule, 200)} has ended: {self._scrub(reason)}"
        meter().schedule_broke()
        self._notify(Alert(f"schedule {schedule}", text, "error"))

    async def run(
        self, delivery: Delivery, handle: JobHandle, stopping: asyncio.Event
    ) -> Done | Outcome:
        """Run one attempt. Raises nothing but CancelledError."""
        await self._loaded.wait()
        spec = self._specs.get(delivery.name)
        job_logger = JobLogger(delivery, self._notify)
        story = JobStory(delivery, handle, self._scrub)
        with fenced(handle.fence), story.told(), JobFolder(self._work_folder) as folder:
            ctx = self._context(delivery, handle, stopping, folder, job_logger)
            outcome: Done | Outcome
            try:
                outcome = await self._attempt(spec, ctx, delivery, job_logger)
            except Exception as error:
                folder.remove()  # before the free disk space is checked
                outcome = await self._after(error, spec, ctx, delivery)
                job_logger.ended(outcome, error)
        await story.end(outcome, is_kept=not self.releases_id(delivery.name))
        return outcome

    async def on_failed(
        self, delivery: Delivery, handle: JobHandle, reason: str
    ) -> Fail | FailLater:
        """Finalise the rows of a job that is to fail, or return when to try again."""
        await self._loaded.wait()
        spec = self._specs.get(delivery.name)
        job_logger = JobLogger(delivery, self._notify)
        story = JobStory(delivery, handle, self._scrub)
        with fenced(handle.fence), story.told(), JobFolder(self._work_folder) as folder:
            ctx = self._context(delivery, handle, asyncio.Event(), folder, job_logger)
            outcome = await self._failed(spec, ctx, delivery, reason)
        job_logger.ended(outcome, UnrecoverableError(reason))
        await story.end(outcome)
        return outcome

    async def _after(
        self, error: Exception, spec: JobSpec | None, ctx: Context, delivery: Delivery
    ) -> Outcome:
        lack = lack_of(error)
        outcome = decide(
            error,
            is_last_attempt=delivery.is_last_attempt,
            snoozes=delivery.snoozes,
            is_unfit=lack is not None and await self.fitness.lacked(lack),
        )
        outcome = self._scrubbed(outcome)
        if not isinstance(outcome, Fail):
            return outcome
        ended = await self._failed(spec, ctx, delivery, outcome.reason)
        return outcome if isinstance(ended, Fail) else ended

    def _scrubbed(self, outcome: Outcome) -> Outcome:
        reason = self._scrub(outcome.reason)
        if isinstance(outcome, Retry | Fail):
            return replace(outcome, reason=reason, trace=self._scrub(outcome.trace))
        return replace(outcome, reason=reason)

    async def _failed(
        self, spec: JobSpec | None, ctx: Context, delivery: Delivery, reason: str
    ) -> Fail | FailLater:
        """Finalise the rows; while they are unreachable, the job's failure is deferred."""
        waits = delivery.failure_waits
        if await self._finalize_rows(spec, ctx, delivery, reason) or waits >= len(_FAILURE_WAITS):
            return Fail(reason)
        return FailLater(reason, _FAILURE_WAITS[waits])

    def _context(
        self,
        delivery: Delivery,
        handle: JobHandle,
        stopping: asyncio.Event,
        folder: JobFolder,
        job_logger: JobLogger,
    ) -> Context:
        return JobContext(
            job_id=delivery.job_id,
            name=delivery.name,
            attempt=delivery.attempts_made + 1,
            is_last_attempt=delivery.is_last_attempt,
            log=job_logger.log,
            services=self._services,
            folder=folder.path,
            stopping=stopping,
            handle=handle,
            checkpoint_fields=dict(delivery.checkpoint),
            least_percent=percent_of(delivery.progress),
        )

    async def _attempt(
        self, spec: JobSpec | None, ctx: Context, delivery: Delivery, job_logger: JobLogger
    ) -> Done:
        job_logger.started()
        await ctx.progress(0, "Starting job...")
        if spec is None:
            known = ", ".join(sorted(self._specs))
            raise UnknownJob(
                f"Unknown job name '{one_line(delivery.name, 100)}': known are {known}"
            )
        if delivery.fault is not None:
            raise InvalidData(delivery.fault)
        data = parse(spec.data, delivery.data)
        result = await _within_limit(spec, ctx, data)
        envelope = success(
            result, duration_ms=job_logger.elapsed_ms(), attempts_made=delivery.attempts_made
        )
        job_logger.completed(envelope)
        return Done(envelope)

    async def _finalize_rows(
        self, spec: JobSpec | None, ctx: Context, delivery: Delivery, reason: str
    ) -> bool:
        """Run the job's failure hook; False when it may succeed later."""
        if spec is None or spec.failure_hook is None:
            return True
        try:
            subject = parse(spec.subject, delivery.data)
            async with asyncio.timeout(_HOOK_TIMEOUT_S):
                await spec.failure_hook(ctx, subject, reason)
        except LockLost:
            return True  # another worker has the job, and finalises them
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            return False  # the hook cancelled a task of its own
        except Exception as error:
            level = "WARNING" if is_transient(error) else "DEBUG"
            ctx.log.log(level, "The rows of the failed job were not finalised: {}", error)
            return not is_transient(error)
        return True


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def _within_limit(spec: JobSpec, ctx: Context, data: Any) -> JobResult:
    """The handler's result. Raises RetryableError when it exceeds the job's time limit."""
    limit = asyncio.timeout(spec.timeout.total_seconds())
    try:
        async with limit:
            return await spec.handler(ctx, data)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise RetryableError(f"The job ran longer than {spec.timeout}") from error
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        # Not by the worker: the handler awaited a cancelled task of its own.
        raise RetryableError("A part of the job was cancelled from within") from None


def _is_cancelled() -> bool:
    """Whether the running task itself was cancelled, and not only what it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
