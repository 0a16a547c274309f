"""Errors by which a handler decides the outcome of its job.

    ExpectedError                 its message is sufficient: no traceback is logged
    └─ JobError
       ├─ RetryableError          retried, with the job's own attempts and backoff
       │  └─ RetryAfter           the same, after its own delay
       ├─ UnrecoverableError      fails the job at once
       ├─ RequeueLater            back to the queue, no attempt burnt
       │  └─ MachineUnfit         the worker's machine lacks what any job needs (machine.py)
       └─ LockLost                another worker has the job: stop and write nothing

Any other exception is retried too, and logged with its traceback. The message
becomes the job's `failedReason`: one sentence, never a secret. `outcome.decide` alone decides.
"""

from datetime import timedelta


class ExpectedError(Exception):
    """An anticipated error, with a message for its readers."""

    @property
    def is_transient(self) -> bool:
        """Whether the same operation may succeed later."""
        return True

    @property
    def holds_failure(self) -> bool:
        """Whether a failure hook that raised it runs again later; as `is_transient`.

        Of a job with a `public_reason`, which people wait to read, only what is transient does.
        """
        return self.is_transient


class JobError(ExpectedError):
    """Base of the errors that decide a job's outcome."""


class RetryableError(JobError):
    """Worth another attempt."""


class RetryAfter(RetryableError):
    """This attempt failed; the next one begins after `delay`, not after the producer's backoff."""

    def __init__(self, delay: timedelta, reason: str) -> None:
        super().__init__(reason)
        check_duration(delay, "delay")
        self.delay = delay


class UnrecoverableError(JobError):
    """No attempt can succeed."""

    @property
    def is_transient(self) -> bool:
        """Never."""
        return False


class RequeueLater(JobError):
    """Return the job to the queue: at the front, or as delayed when `delay` is positive.

    With `whole_queue` the delay is the queue's, as with Node's `rateLimit` and `RateLimitError`:
    the job returns to the front, and no job is taken before the delay has passed by this worker,
    and by those that have a limit. Raises ValueError for a whole queue without a delay.
    """

    def __init__(
        self,
        delay: timedelta = timedelta(0),
        reason: str = "handed back to the queue",
        *,
        whole_queue: bool = False,
    ) -> None:
        check_duration(delay, "delay")
        if whole_queue and delay <= timedelta(0):
            raise ValueError("A whole queue is held up for a positive delay")
        super().__init__(reason)
        self.delay = delay
        self.whole_queue = whole_queue


class LockLost(JobError):
    """Another worker has the job: this one stops and writes nothing more."""

    def __init__(self) -> None:
        super().__init__("another worker has the job by now")


def check_duration(value: object, name: str) -> None:
    """Raise TypeError for seconds as a number, which Python takes until they are used."""
    if not isinstance(value, timedelta):
        kind = type(value).__name__
        raise TypeError(f"{name} is a timedelta, such as timedelta(seconds=5), not a {kind}")


def holds_failure(error: BaseException) -> bool:
    """Whether the failure hook that raised it runs again; true for unexpected errors."""
    return not isinstance(error, ExpectedError) or error.holds_failure


def is_transient(error: BaseException) -> bool:
    """Whether another attempt may succeed; true for unexpected errors."""
    return not isinstance(error, ExpectedError) or error.is_transient
