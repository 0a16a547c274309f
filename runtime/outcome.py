"""What becomes of a job after an exception. Pure; the one place that decides."""

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from core.errors import HandBack, JobError, ServiceError, is_passing
from core.text import one_line

# BullMQ keeps the reason in Redis for every failed job: one readable line, not a page.
_MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Retry:
    """BullMQ tries again with the job's own attempts and backoff."""

    reason: str


@dataclass(frozen=True, slots=True)
class Fail:
    """No attempt is left, or none can succeed."""

    reason: str


@dataclass(frozen=True, slots=True)
class FailLater:
    """It failed for good, but its rows cannot be settled now: the next delivery does only that."""

    reason: str
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Return:
    """Back to the queue, no attempt burnt; `delay` zero means to the front."""

    delay: timedelta
    reason: str = "the worker stops"


Outcome = Retry | Fail | FailLater | Return


def decide(error: BaseException, *, is_last_attempt: bool, may_return: bool = True) -> Outcome:
    """The outcome of a failed attempt.

    `may_return` is False for a job that was put off too often: it burns an attempt then, unless the
    worker stops.
    """
    error = _single(error)
    if isinstance(error, HandBack) and (may_return or not error.delay):
        return Return(error.delay, _reason(error))
    if is_passing(error) and not is_last_attempt:
        return Retry(_reason(error))
    return Fail(_reason(error))


def is_foreseen(error: BaseException) -> bool:
    """Whether the error is of our own tree; any other deserves its traceback in the log."""
    return isinstance(_single(error), JobError | ServiceError)


def _single(error: BaseException) -> BaseException:
    """The first error of a task group that failed."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        error = group.exceptions[0]
    return error


def _reason(error: BaseException) -> str:
    """One line, never empty, without characters that JSON or a terminal would trip over."""
    try:
        text = str(error)
    except Exception:  # a message that cannot be made is itself worth saying
        text = f"{type(error).__name__} without a readable message"
    if not isinstance(error, JobError | ServiceError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return one_line(text, _MAX_REASON) or type(error).__name__
