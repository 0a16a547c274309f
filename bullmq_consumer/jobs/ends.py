"""Decides what becomes of attempts, and has the application hear of it."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.jobs.final_failure import FinalFailures
from bullmq_consumer.jobs.job import Job
from bullmq_consumer.jobs.limit import contained, is_cancelled
from bullmq_consumer.jobs.observer import Observer
from bullmq_consumer.jobs.registry import Entry
from bullmq_consumer.jobs.rules import Rules
from bullmq_consumer.jobs.stop import StopReason
from bullmq_consumer.machine import lack_of
from bullmq_consumer.outcome import MAX_REASON, Done, Fail, FailLater, Outcome, Retry, decide
from bullmq_consumer.sanitize.text import one_line

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Outcome)

_NO_REASON = "The job failed"


class End(NamedTuple):
    """What became of an attempt, and why; `job` has what the scope yielded."""

    job: Job[Any, Any]
    outcome: Done | Outcome
    error: Exception | None


class Ends:
    """Of the attempts of one worker.

    1. An error becomes an outcome, by the rules of the job's name.
    2. A failure waits until its hook has run, and shows what the job's rule has people read.
    3. The observer is told; what it raises changes nothing.

    `scrub` takes secrets out of what is kept of errors.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        hooks: FinalFailures,
        observer: Observer[Any],
        fitness: Fitness,
        scrub: Callable[[str], str] | None,
    ) -> None:
        self._entries = entries
        self._hooks = hooks
        self._observer = observer
        self._fitness = fitness
        self._scrub = scrub

    def rules(self, name: str) -> Rules:
        """Those of a job name; the default ones for a name that nobody serves."""
        entry = self._entries.get(name)
        return _NO_RULES if entry is None else entry.registered.rules

    async def after_hook(
        self, failure: Fail, job: Job[Any, Any], error: Exception
    ) -> Fail | FailLater:
        """The failure of an attempt after its hook; it waits while that cannot succeed."""
        if job.handle.fence.is_lost:
            return self._shown(job, failure, error)
        try:
            prepared = await self._hooks.prepare(job, failure.reason)
        except asyncio.CancelledError:
            # By a stop. The attempt is over: the next delivery only calls the hook again.
            return self.later(job, failure, error)
        return self._shown(job, failure if isinstance(prepared, Fail) else prepared, error)

    def later(self, job: Job[Any, Any], failure: Fail, error: Exception) -> Fail | FailLater:
        """The failure once its hook could not run; without it after a day of tries."""
        later = self._hooks.later(job, failure.reason)
        return later if isinstance(later, FailLater) else self._shown(job, failure, error)

    def _shown(self, job: Job[Any, Any], outcome: E, error: Exception) -> E | Fail:
        """The outcome; of a failure with what the job's rule has `failedReason` say."""
        rule = self.rules(job.name).public_reason
        if rule is None or not isinstance(outcome, Fail):
            return outcome
        try:
            text = rule(job, error)
            text = one_line(text if self._scrub is None else self._scrub(text), MAX_REASON)
        except BaseException as raised:
            contained(raised)
            logger.exception("The public reason of %s %s failed", job.name, job.id)
            text = ""
        return replace(outcome, public=text or _NO_REASON)  # the reason is not for people

    async def of_error(self, error: Exception, job: Job[Any, Any]) -> Outcome:
        """What becomes of an attempt that failed with it, without secrets."""
        rules = self.rules(job.name)
        lack = lack_of(error)
        outcome = decide(
            error,
            is_last_attempt=job.is_last_attempt,
            snoozes=job.delivery.snoozes,
            is_unfit=lack is not None and await self._fitness.lacked(lack),
            is_stopping=job.stop_reason is StopReason.SHUTDOWN,
            max_snoozes=rules.max_requeues,
            fails_on=tuple(rules.fails_on),
        )
        return outcome if self._scrub is None else self._scrubbed(outcome, self._scrub, job)

    def _scrubbed(
        self, outcome: Outcome, scrub: Callable[[str], str], job: Job[Any, Any]
    ) -> Outcome:
        """Without secrets, and without a reason at all where they cannot be taken out."""
        try:
            return _mapped(outcome, scrub)
        except BaseException as raised:
            contained(raised)
            logger.exception("The reason of %s %s could not be scrubbed", job.name, job.id)
            return _mapped(outcome, lambda text: _NO_REASON if text else "")

    async def told(self, end: End) -> Done | Outcome:
        """The outcome, of which the observer has been told."""
        try:
            await self._observer.ended(end.job, end.outcome, end.error)
        except BaseException as raised:
            if not isinstance(raised, asyncio.CancelledError):
                contained(raised)
            logger.exception("The observer of %s %s failed", end.job.name, end.job.id)
            # A stop cuts it off: what is decided stays so, and of a failure it hears again.
            if is_cancelled() and isinstance(end.outcome, Fail) and end.error is not None:
                return self.later(end.job, end.outcome, end.error)
        return end.outcome


_NO_RULES = Rules()


def _mapped(outcome: Outcome, scrub: Callable[[str], str]) -> Outcome:
    reason = scrub(outcome.reason)
    if isinstance(outcome, Retry | Fail):
        return replace(outcome, reason=reason, trace=scrub(outcome.trace))
    return replace(outcome, reason=reason)
