"""Decides the outcome of an attempt from its exception. Pure; the only place that does.

How often stops may hand a job back is `MAX_HAND_BACKS` in scripts/queue_scripts.py.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from bullmq_consumer.errors import (
    ExpectedError,
    LockLost,
    RequeueLater,
    RetryableError,
    RetryAfter,
    is_transient,
)
from bullmq_consumer.machine import MachineUnfit, lack_of
from bullmq_consumer.sanitize.strict_json import as_json
from bullmq_consumer.sanitize.text import one_line
from bullmq_consumer.sanitize.trace import trace_of

# BullMQ keeps the reason in Redis for every failed job: one readable line, not a page.
MAX_REASON = 500
# Hand-backs that burn no attempt, over a job's whole life: a provider that is down
# delays it for up to 5 minutes each time. What handlers and unfit machines hand back counts too,
# with a delay or to the front, and so does a limit that a handler sets: a job that is always
# refused would hold the queue up. What stops hand back is counted apart.
MAX_SNOOZES = 20
# A file that fits on no work disk circulates for 2.3 h by this, making workers unfit ever more
# rarely.
_LONGEST_DELAY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Done:
    """The attempt succeeded; `returnvalue` is kept with the job, `text` is that as JSON."""

    returnvalue: Any
    text: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt, after `delay` or else the job's own backoff.

    `trace` is where the failure came from.
    """

    reason: str
    trace: str = field(default="", compare=False)
    delay: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """No attempt is left, or none can succeed; `trace` is where the failure came from.

    `public` is what `failedReason` says in place of the reason, None for that itself.
    """

    reason: str
    trace: str = field(default="", compare=False)
    public: str | None = None

    @property
    def failed_reason(self) -> str:
        """What the job shows."""
        return self.reason if self.public is None else self.public


@dataclass(frozen=True, slots=True)
class FailLater:
    """Failed for good, but its rows could not be finalised: the next delivery does only that."""

    reason: str
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Requeue:
    """Back to the queue, no attempt burnt; `delay` zero means to the front.

    With `whole_queue` to the front, too, and it is the queue that waits for `delay`. `is_stop`
    tells what a stop of the worker hands back from what the job itself asked for.
    """

    delay: timedelta
    reason: str = "the worker stops"
    whole_queue: bool = False
    is_stop: bool = False


Outcome = Retry | Fail | FailLater | Requeue


def decide(
    error: BaseException,
    *,
    is_last_attempt: bool,
    snoozes: int = 0,
    is_unfit: bool = False,
    is_stopping: bool = False,
    max_snoozes: int = MAX_SNOOZES,
    fails_on: tuple[type[Exception], ...] = (),
) -> Outcome:
    """The outcome of a failed attempt; errors of `fails_on` are final.

    A job that was snoozed too often burns an attempt, unless the worker `is_stopping` and it goes
    to the front, or `is_unfit`: the lack of its machine was confirmed.
    """
    error = _as_unfit(error) or single(error)
    may_return = is_unfit or snoozes < max_snoozes
    if isinstance(error, RequeueLater):
        is_stop = is_stopping and not error.delay
        if may_return or is_stop:
            delay = _delay(error, snoozes)
            return Requeue(delay, reason_of(error), error.whole_queue, is_stop)
    reason = reason_of(error)
    trace = trace_of(error, reason)
    if is_transient(error) and not is_last_attempt and not isinstance(error, fails_on):
        return Retry(reason, trace, error.delay if isinstance(error, RetryAfter) else None)
    return Fail(reason, trace)


def done_with(returnvalue: Any) -> Done:
    """A success, with its text. Raises RetryableError for what is no JSON."""
    try:
        return Done(returnvalue, as_json(returnvalue))
    except (TypeError, ValueError, RecursionError) as error:
        reason = f"The job returned what is no JSON: {one_line(str(error))}"
        raise RetryableError(reason) from None


def as_written(done: Done, *, is_last_attempt: bool) -> str | Outcome:
    """The return value as JSON, or the failure of an attempt that returned something else."""
    if done.text is not None:
        return done.text
    try:
        return done_with(done.returnvalue).text or ""
    except RetryableError as error:
        return Fail(str(error)) if is_last_attempt else Retry(str(error))


def is_expected(error: BaseException) -> bool:
    """Whether the error's message is sufficient; any other error is logged with its traceback."""
    return isinstance(single(error), ExpectedError)


def _as_unfit(error: BaseException) -> MachineUnfit | None:
    """MachineUnfit for a lack of the machine, which is no failure of the job's."""
    lack = None if isinstance(single(error), LockLost) else lack_of(error)
    return MachineUnfit(lack) if lack else None


def _delay(error: RequeueLater, snoozes: int) -> timedelta:
    """The error's own delay; for an unfit machine it grows with the number of snoozes."""
    if not isinstance(error, MachineUnfit):
        return error.delay
    return min(error.delay * 2 ** min(snoozes, 10), _LONGEST_DELAY)


def single(error: BaseException) -> BaseException:
    """The error itself, or the first error of a task group that failed."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        error = group.exceptions[0]
    return error


def reason_of(error: BaseException) -> str:
    """One line, never empty, without characters that are unsafe in JSON or on a terminal."""
    try:
        text = str(error)
    except Exception:  # the message itself cannot be formatted
        text = f"{type(error).__name__} without a readable message"
    if not isinstance(error, ExpectedError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return one_line(text, MAX_REASON) or type(error).__name__
