"""VidFab's errors, below those of the consumer (bullmq_consumer/errors.py).

    UnrecoverableError               fails the job at once
    └─ PermanentError                the same, with a cause for people
       ├─ InvalidData                the payload does not validate
       ├─ UnknownJob                 no handler has this name
       ├─ UnsafeUrl                  the download guard refused the address
       ├─ UnusableContent            fetched content can never be stored (not an image, too large)
       ├─ ContentRejected            a provider refused the prompt or its references
       ├─ NotFound                   the project or row named by the job does not exist
       └─ NotOwner                   the row exists and belongs to another user
    RetryableError
    └─ TransientError                the same, with a cause for people
    RequeueLater                     back to the queue, no attempt burnt
    ├─ ProviderDown                  an outside service fails for all jobs: back, with a delay
    └─ ClipNotStored                 a composition waits for a clip
    ServiceError                     an outside service's error
    ConfigError                      only at start-up (config/errors.py)

Handlers and services raise. An error has two texts: its message is for operators, one sentence,
never a secret; what people read is made of its cause (core/people.py).
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Literal, TypeAlias

from bullmq_consumer.errors import (
    ExpectedError,
    JobError,
    LockLost,
    RequeueLater,
    RetryableError,
    UnrecoverableError,
    holds_failure,
    is_transient,
)
from bullmq_consumer.machine import MachineUnfit
from bullmq_consumer.outcome import single
from core.people import Cause, Why

__all__ = [
    "ClipNotStored",
    "ContentRejected",
    "InvalidData",
    "JobError",
    "LockLost",
    "NotFound",
    "NotOwner",
    "PermanentError",
    "ProviderDown",
    "RequeueLater",
    "RetryableError",
    "ServiceError",
    "TransientError",
    "UnknownJob",
    "UnrecoverableError",
    "UnsafeUrl",
    "UnusableContent",
    "holds_failure",
    "is_transient",
    "why_of",
]

SUPABASE = "Supabase"
"""Database and storage, as errors call them."""
_REFUSED_KEY = frozenset({401, 403})

Reach: TypeAlias = Literal["request", "account", "limit"]
"""Whom an error concerns: one request; all, until a person changes something; or all, for a while.
"""


class Caused(ExpectedError):
    """Knows what people read; `shots` are those that a sentence names."""

    cause = Cause.UNKNOWN

    def __init__(
        self, message: str, *, cause: Cause | None = None, shots: Iterable[int] = ()
    ) -> None:
        super().__init__(message)
        self.cause = cause or self.cause
        self.shots = tuple(shots)

    def blame(self, cause: Cause, *shots: int) -> None:
        """Say more precisely why, where more is known than where it was raised."""
        self.cause, self.shots = cause, shots


class PermanentError(Caused, UnrecoverableError):
    """No attempt can succeed."""


class TransientError(Caused, RetryableError):
    """Worth another attempt."""


class InvalidData(PermanentError):
    """The payload does not validate."""

    cause = Cause.INVALID


class UnknownJob(PermanentError):
    """No handler has this job name."""

    cause = Cause.INVALID


class UnsafeUrl(PermanentError):
    """The download guard refused the address."""

    cause = Cause.UNUSABLE


class UnusableContent(PermanentError):
    """Fetched content can never be stored: wrong kind, too large."""

    cause = Cause.UNUSABLE


class ContentRejected(PermanentError):
    """A provider refused the prompt or its reference images."""

    cause = Cause.REFUSED


class NotFound(PermanentError):
    """The project or row that the job names does not exist."""

    cause = Cause.NOT_FOUND


class NotOwner(PermanentError):
    """The row exists and belongs to another user. People are not told that it exists."""

    cause = Cause.NOT_FOUND


class ProviderDown(RequeueLater):
    """An outside service fails for all jobs: call it again after `delay`."""

    def __init__(self, service: str, delay: timedelta, trouble: str = "is down") -> None:
        super().__init__(delay, f"{service} {trouble}")
        self.service = service

    @property
    def cause(self) -> Cause:
        """What people read when no attempt is left."""
        return Cause.NOT_SAVED if self.service.startswith(SUPABASE) else Cause.BUSY


class ClipNotStored(RequeueLater):
    """A composition waits for the download of a clip."""

    cause = Cause.CLIPS_NOT_SAVED


class ServiceError(ExpectedError):
    """An outside service's error, classified where the response was read.

    `status` is the HTTP status, None without a response. `retryable`: the same request may succeed
    later, and with `at_once` within the same call. `billed` is True when the provider may have
    charged for the call. `reach` is whom it concerns (services/net/circuit.py). `cause` is what
    people read, by default of how it was classified.
    """

    at_once = True

    def __init__(
        self,
        service: str,
        operation: str,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retryable: bool = False,
        billed: bool = False,
        retry_after: timedelta | None = None,
        cause: Cause | None = None,
        reach: Reach = "request",
    ) -> None:
        super().__init__(message)
        self._cause = cause
        self.reach = reach
        self.service = service
        self.operation = operation
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retryable = retryable
        self.billed = billed
        self.retry_after = retry_after

    @property
    def is_transient(self) -> bool:
        """As `retryable`."""
        return self.retryable

    @property
    def holds_failure(self) -> bool:
        """Also for a key that our own database refuses: it was rotated, or soon will be."""
        is_ours = self.service.startswith(SUPABASE)
        return self.retryable or (is_ours and self.status in _REFUSED_KEY)

    @property
    def cause(self) -> Cause:
        """What people read."""
        if self._cause is not None:
            return self._cause
        if not self.retryable:
            return Cause.OUR_SIDE
        return Cause.NOT_SAVED if self.service.startswith(SUPABASE) else Cause.BUSY


def why_of(error: BaseException) -> Why:
    """What people read of an error; of one that says nothing, of the error that it came from."""
    error = single(error)
    match error:
        case Caused(cause=cause) if cause is not Cause.UNKNOWN:
            return Why(cause, error.shots)
        case ServiceError() | ProviderDown() | ClipNotStored():
            return Why(error.cause)
        case MachineUnfit():
            return Why(Cause.OUR_SIDE)
        case TimeoutError():
            return Why(Cause.TOO_LONG)
        case _:
            return Why() if error.__cause__ is None else why_of(error.__cause__)
