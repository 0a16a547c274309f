"""What an application learns of its attempts beside their handlers. As it is, it logs that."""

import logging
from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import TypeVar as DefaultTypeVar

from bullmq_consumer.errors import holds_failure
from bullmq_consumer.jobs.job import JobFields
from bullmq_consumer.outcome import (
    Done,
    Fail,
    FailLater,
    Outcome,
    Requeue,
    Retry,
    is_expected,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

logger = logging.getLogger(__name__)

X = DefaultTypeVar("X", default=Any)


class Observer(Generic[X]):
    """Made to be subclassed: for an application's own log lines, alerts and metrics.

    What its methods raise is logged, and changes nothing. `job.data` is what came.
    """

    async def ended(
        self, job: "JobFields[JsonValue, X]", outcome: Done | Outcome, error: Exception | None
    ) -> None:
        """It is decided what becomes of an attempt; `error` is why, None for a success.

        The queue hears of it afterwards. The attempt's scope is closed by then; `job.deps` is what
        it yielded, or the lifespan's where the scope could not be entered. Of a failure that a stop
        cut off it hears again. A job that is failed without an attempt, because its
        workers were lost too often, has its reason as the error.
        """
        match outcome:
            case Done():
                line = "Completed: %s %s in %.2f s"
                logger.info(line, job.name, job.id, job.elapsed.total_seconds())
            case Retry():
                _log(logging.WARNING, job, f"failed at attempt {job.attempt}", outcome, error)
            case Fail():
                _log(logging.ERROR, job, "failed for good", outcome, error)
            case Requeue() | FailLater():
                pass  # the consumer logs what goes back

    def hook_failed(self, job: "JobFields[JsonValue, X]", error: Exception) -> None:
        """The failure hook raised `error`; it is run again if that may help."""
        what = "will be tried again" if holds_failure(error) else "failed"
        line = "The failure hook of %s %s %s: %s"
        logger.warning(line, job.name, job.id, what, error, exc_info=not is_expected(error))

    def schedule_broke(self, schedule: str, reason: str) -> None:
        """A schedule, by its id, cannot be read: no further job of it comes. It is logged."""


def _log(
    level: int,
    job: JobFields[Any, Any],
    what: str,
    outcome: Retry | Fail,
    error: Exception | None,
) -> None:
    """What happens to the job, with the traceback of an error that nobody foresaw."""
    trace = None if error is None or is_expected(error) else error
    logger.log(level, "%s %s %s: %s", job.name, job.id, what, outcome.reason, exc_info=trace)
