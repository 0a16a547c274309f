"""What a handler raises to say what should become of its job.

    ExpectedError                 its message says it all: no traceback is logged
    └─ JobError
       ├─ RetryableError          tried again, with the job's own attempts and backoff
       ├─ PermanentError          fails the job at once
       ├─ HandBack                back to the queue, no attempt burnt
       │  └─ MachineUnfit         the worker's machine lacks what any job needs (machine.py)
       └─ LockLost                another worker has the job by now: stop and write nothing

An exception from outside this tree is tried again too, and logged with its traceback. The message
becomes the job's `failedReason`: one sentence, never a secret. `outcome.decide` alone decides.
"""

from datetime import timedelta


class ExpectedError(Exception):
    """An error that somebody thought of, and worded for whoever reads it."""

    @property
    def is_transient(self) -> bool:
        """Whether the same may succeed later."""
        return True


class JobError(ExpectedError):
    """Base of everything that says what should become of a job."""


class RetryableError(JobError):
    """Worth another attempt."""


class PermanentError(JobError):
    """No attempt can succeed."""

    @property
    def is_transient(self) -> bool:
        """Never."""
        return False


class HandBack(JobError):
    """Return the job to the queue: at the front, or as delayed when `delay` is positive."""

    def __init__(
        self, delay: timedelta = timedelta(0), reason: str = "handed back to the queue"
    ) -> None:
        super().__init__(reason)
        self.delay = delay


class LockLost(JobError):
    """Another worker has the job by now: this one stops and writes nothing more."""

    def __init__(self) -> None:
        super().__init__("another worker has the job by now")


def is_transient(error: BaseException) -> bool:
    """Whether another attempt may succeed: of what nobody expected, yes."""
    return not isinstance(error, ExpectedError) or error.is_transient
