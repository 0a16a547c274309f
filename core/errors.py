"""The error tree.

    JobError
    ├─ RetryableError            BullMQ retries it with the job's own attempts and backoff
    ├─ PermanentError            fails the job at once
    │  ├─ InvalidData            the payload does not validate
    │  ├─ UnknownJob             no handler has this name
    │  ├─ UnsafeUrl              the download guard refused the address
    │  ├─ UnusableContent        what was fetched can never be stored (not an image, too large)
    │  ├─ ContentRejected        a provider refused the prompt or its references
    │  ├─ NotFound               the project or row named by the job does not exist
    │  └─ NotOwner               the row exists and belongs to somebody else
    ├─ HandBack                  back to the queue, no attempt burnt
    │  ├─ ProviderDown           an outside service fails for all jobs: back, with a delay
    │  └─ MachineUnfit           this worker's machine lacks what any job needs (core/machine.py)
    └─ LockLost                  another worker has the job by now: stop and write nothing
    ServiceError                 what an outside service answered
    ConfigError                  only at start-up (config/errors.py)

Handlers and services raise; `runtime/outcome.py` alone decides what becomes of the job. An
exception from outside this tree is retryable. Messages are shown to people: one sentence, never a
secret.
"""

from datetime import timedelta


class JobError(Exception):
    """Base of everything that says what should become of a job."""


class RetryableError(JobError):
    """Worth another attempt."""


class PermanentError(JobError):
    """No attempt can succeed."""


class InvalidData(PermanentError):
    """The payload does not validate."""


class UnknownJob(PermanentError):
    """No handler has this job name."""


class UnsafeUrl(PermanentError):
    """The download guard refused the address."""


class UnusableContent(PermanentError):
    """What was fetched can never be stored: wrong kind, too large."""


class ContentRejected(PermanentError):
    """A provider refused the prompt or its reference images."""


class NotFound(PermanentError):
    """The project or row that the job names does not exist."""


class NotOwner(PermanentError):
    """The row exists and belongs to somebody else."""


class HandBack(JobError):
    """Return the job to the queue: at the front, or as delayed when `delay` is positive."""

    def __init__(
        self, delay: timedelta = timedelta(0), reason: str = "handed back to the queue"
    ) -> None:
        super().__init__(reason)
        self.delay = delay


class ProviderDown(HandBack):
    """An outside service fails for all jobs: ask again after `delay`."""

    def __init__(self, service: str, delay: timedelta) -> None:
        super().__init__(delay, f"{service} is down")


class LockLost(JobError):
    """Another worker has the job by now: this one stops and writes nothing more."""

    def __init__(self) -> None:
        super().__init__("another worker has the job by now")


class ServiceError(Exception):
    """What an outside service answered, judged where the response was read.

    `status` is the HTTP status, None when no answer came. `retryable` says whether the same request
    may succeed later. `billed` is True when the provider may have charged for the call.
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


def is_passing(error: BaseException) -> bool:
    """Whether another attempt may succeed: not for refusals, and so for what nobody foresaw."""
    if isinstance(error, ServiceError):
        return error.retryable
    return not isinstance(error, PermanentError)
