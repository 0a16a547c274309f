"""VidFab's errors, below those of the consumer (bullmq_consumer/errors.py).

    UnrecoverableError               fails the job at once
    ├─ InvalidData               the payload does not validate
    ├─ UnknownJob                no handler has this name
    ├─ UnsafeUrl                 the download guard refused the address
    ├─ UnusableContent           fetched content can never be stored (not an image, too large)
    ├─ ContentRejected           a provider refused the prompt or its references
    ├─ NotFound                  the project or row named by the job does not exist
    └─ NotOwner                  the row exists and belongs to another user
    RequeueLater                     back to the queue, no attempt burnt
    └─ ProviderDown              an outside service fails for all jobs: back, with a delay
    ServiceError                 an outside service's error
    ConfigError                  only at start-up (config/errors.py)

Handlers and services raise. Messages are shown to users: one sentence, never a secret.
"""

from datetime import timedelta

from bullmq_consumer.errors import (
    ExpectedError,
    JobError,
    LockLost,
    RequeueLater,
    RetryableError,
    UnrecoverableError,
    is_transient,
)

__all__ = [
    "ContentRejected",
    "InvalidData",
    "JobError",
    "LockLost",
    "NotFound",
    "NotOwner",
    "ProviderDown",
    "RequeueLater",
    "RetryableError",
    "ServiceError",
    "UnknownJob",
    "UnrecoverableError",
    "UnsafeUrl",
    "UnusableContent",
    "is_transient",
]


class InvalidData(UnrecoverableError):
    """The payload does not validate."""


class UnknownJob(UnrecoverableError):
    """No handler has this job name."""


class UnsafeUrl(UnrecoverableError):
    """The download guard refused the address."""


class UnusableContent(UnrecoverableError):
    """Fetched content can never be stored: wrong kind, too large."""


class ContentRejected(UnrecoverableError):
    """A provider refused the prompt or its reference images."""


class NotFound(UnrecoverableError):
    """The project or row that the job names does not exist."""


class NotOwner(UnrecoverableError):
    """The row exists and belongs to another user."""


class ProviderDown(RequeueLater):
    """An outside service fails for all jobs: call it again after `delay`."""

    def __init__(self, service: str, delay: timedelta) -> None:
        super().__init__(delay, f"{service} is down")


class ServiceError(ExpectedError):
    """An outside service's error, classified where the response was read.

    `status` is the HTTP status, None without a response. `retryable`: the same request may succeed
    later. `billed` is True when the provider may have charged for the call.
    """

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
    ) -> None:
        super().__init__(message)
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
