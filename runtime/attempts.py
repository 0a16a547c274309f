"""What VidFab has around each attempt at a job: its context, envelope, story, log lines, alerts."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from pydantic import JsonValue

from bullmq_consumer import InvalidJobData, Job, JobFields, Jobs, Observer
from bullmq_consumer.errors import holds_failure, is_transient
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.jobs.dispatcher import Dispatcher
from bullmq_consumer.outcome import Done, FailLater, Outcome
from bullmq_consumer.sanitize.text import one_line
from config.logging.redaction import Redact
from config.variables import Language
from core.alert import Alert, AlertSink, no_alerts, shown
from core.errors import InvalidData, LockLost, ServiceError, UnknownJob
from core.jobs.context import JobContext, percent_of
from core.jobs.data import invalid
from core.jobs.envelope import success
from core.meter import meter
from runtime.job_log import JobLogger
from runtime.job_story import JobStory
from runtime.owners import name_owner
from runtime.work_folders import JobFolder
from services.bundle import Services


@dataclass(slots=True, kw_only=True)
class Attempt(JobContext[Services]):
    """A handler's context, with what only this module uses of it."""

    logger: JobLogger
    story: JobStory
    own_folder: JobFolder
    unowned: Exception | None = None
    """Why the job's owner cannot be looked up: it fails with that."""


class Attempts(Observer[Attempt]):
    """Makes the contexts of a worker's attempts, and tells what became of them.

    `work_folder` is where the jobs' folders are made, else the system's temporary folder.
    `notify` is called for jobs that failed for good. No job starts before `loaded` is set: its
    handler would block the event loop with imports. `scrub` takes secrets out of what is told.
    `language` is that of sentences for people.
    """

    def __init__(
        self,
        jobs: Jobs[Any],
        services: Services,
        *,
        loaded: asyncio.Event,
        work_folder: Callable[[], Path | None] = lambda: None,
        notify: AlertSink = no_alerts,
        scrub: Redact = str,
        language: Language = "en",
    ) -> None:
        self._language: Language = language
        self._jobs = jobs
        self._known = jobs.entries()
        self._services = services
        self._work_folder = work_folder
        self._notify = notify
        self._scrub = scrub
        self._loaded = loaded

    def dispatcher(self, fitness: Fitness | None = None) -> Dispatcher:
        """Runs the handlers, with all of this around them."""
        self._jobs.middleware(self.enveloped)
        return Dispatcher(
            self._jobs.entries(),
            middleware=self._jobs.own_middleware,
            scope=self.scope,
            observer=self,
            scrub=self._scrub,
            fitness=fitness or Fitness(self._work_folder),
        )

    def scope(self, job: Job[Any, Any]) -> "_Scope":
        """The context of one attempt, or of the end of a job that is only to fail."""
        return _Scope(partial(self._attempt, job), partial(self._ready, job))

    async def _ready(self, job: Job[Any, Any]) -> Exception | None:
        """Returns why a job whose page waits for its reason cannot be its owner's.

        Other jobs wait for their hooks, which need the owner: raises what the look-up does.
        """
        await self._loaded.wait()  # the attempt begins afterwards, for its log and its envelope
        try:
            await name_owner(self._services, job.data)
        except ServiceError as error:
            if is_transient(error) or not self._is_read(job.name):
                raise
            return error
        return None

    def _attempt(self, job: Job[Any, Any]) -> Attempt:
        delivery = job.delivery
        logger = JobLogger(delivery, self._notify)
        folder = JobFolder(self._work_folder)
        return Attempt(
            job=job,
            log=logger.log,
            services=self._services,
            folder=folder.path,
            checkpoint_fields=dict(delivery.checkpoint),
            least_percent=percent_of(delivery.progress),
            language=self._language,
            logger=logger,
            story=JobStory(delivery, job.handle, self._scrub),
            own_folder=folder,
        )

    async def enveloped(
        self, job: JobFields[Any, Attempt], call: Callable[[], Awaitable[Any]]
    ) -> dict[str, Any]:
        """The middleware of all attempts: from the first line of the log to the envelope.

        Raises UnknownJob, InvalidData, and what the handler raises.
        """
        attempt = job.deps
        attempt.logger.started()
        await attempt.progress(0, "Starting job...")
        try:
            data = await self._called(job, call)
        except Exception as error:
            attempt.failure.error = error  # its hook makes a sentence of it
            raise
        duration_ms = attempt.logger.elapsed_ms()
        return success(data, duration_ms=duration_ms, attempts_made=job.attempt - 1)

    async def _called(
        self, job: JobFields[Any, Attempt], call: Callable[[], Awaitable[Any]]
    ) -> Any:
        if job.name not in self._known:
            known = ", ".join(sorted(self._known))
            raise UnknownJob(f"Unknown job name '{one_line(job.name, 100)}': known are {known}")
        if job.deps.unowned is not None:
            raise job.deps.unowned
        with job.deps.own_folder:  # its space is free before anybody asks how much there is
            try:
                return await call()
            except InvalidJobData as error:
                raise _in_our_words(error, job.data) from None

    async def ended(
        self,
        job: JobFields[JsonValue, Attempt],
        outcome: Done | Outcome,
        error: Exception | None,
    ) -> None:
        """Log the end of an attempt, alert where a job has failed, and end its story."""
        attempt = self._context(job, error)
        if isinstance(outcome, Done):
            attempt.logger.completed(outcome.returnvalue)
        elif error is not None:
            attempt.logger.ended(outcome, error)
        if isinstance(outcome, FailLater):
            with suppress(LockLost):  # then another worker has the job, and runs it
                await attempt.keep_failure(outcome.reason)
        await attempt.story.end(outcome, is_kept=not self._releases_id(job.name))

    def _context(self, job: JobFields[JsonValue, Attempt], error: Exception | None) -> Attempt:
        """The attempt's; where the scope could not be entered, one that knows why."""
        yielded: Any = job.deps
        if isinstance(yielded, Attempt):
            return yielded
        attempt = self._attempt(cast("Job[Any, Any]", job))
        attempt.failure.error = error
        return attempt

    def hook_failed(self, job: JobFields[JsonValue, Attempt], error: Exception) -> None:
        """Log that the rows of a job are not as they should be, where that may still change."""
        level = "WARNING" if holds_failure(error) else "DEBUG"
        job.deps.log.log(level, "The rows of the failed job were not finalised: {}", error)

    def schedule_broke(self, schedule: str, reason: str) -> None:
        """Report a schedule that cannot go on: no further job of it will come."""
        text = f"The schedule {shown(schedule, 200)} has ended: {self._scrub(reason)}"
        meter().schedule_broke()
        self._notify(Alert(f"schedule {schedule}", text, "error"))

    def _is_read(self, name: str) -> bool:
        """Whether people read why a job of this name failed."""
        entry = self._known.get(name)
        return entry is not None and entry.registered.rules.public_reason is not None

    def _releases_id(self, name: str) -> bool:
        """Whether finished jobs of this name are removed, and their logs with them."""
        return name in self._known and self._known[name].registered.rules.release_id


class _Scope:
    """What is there as long as an attempt; plain, since each job pays for it."""

    def __init__(
        self, made: Callable[[], Attempt], ready: Callable[[], Awaitable[Exception | None]]
    ) -> None:
        self._made = made
        self._ready = ready

    async def __aenter__(self) -> Attempt:
        unowned = await self._ready()
        self._attempt = attempt = self._made()
        attempt.unowned = unowned
        self._told = attempt.story.told()
        self._told.__enter__()
        return attempt

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._attempt.own_folder.remove()
        self._told.__exit__(kind, error, trace)


def _in_our_words(error: InvalidJobData, data: Any) -> Exception:
    """As the app has always read it."""
    return InvalidData(str(error)) if error.validation is None else invalid(data, error.validation)
