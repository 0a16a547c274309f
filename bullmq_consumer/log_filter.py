"""Which job a log line is about: for the lines that handlers write by the standard library."""

import logging
from contextvars import ContextVar, Token

from bullmq_consumer.delivery import Delivery

_current: ContextVar[tuple[str, Delivery] | None] = ContextVar("attempt", default=None)


class JobLogFilter(logging.Filter):
    """Adds `job_id`, `job_name`, `attempt` and `queue` to each record; outside of a job `-` and 0.

    Of a `logging.Handler`, not of a logger, whose filters do not see the records of those below it:
    `handler.addFilter(JobLogFilter())`. Threads and tasks that a handler starts by asyncio are of
    its job, too.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record."""
        current = _current.get()
        if current is None:
            record.queue = record.job_id = record.job_name = "-"
            record.attempt = 0
            return True
        record.queue, delivery = current
        record.job_id = delivery.job_id
        record.job_name = delivery.name
        record.attempt = delivery.attempts_made + 1
        return True


class logged_as:
    """Have `JobLogFilter` name this attempt inside the block, and in what is started there."""

    def __init__(self, queue: str, delivery: Delivery) -> None:
        self._attempt = queue, delivery
        self._before: Token[tuple[str, Delivery] | None] | None = None

    def __enter__(self) -> None:
        self._before = _current.set(self._attempt)

    def __exit__(self, *_: object) -> None:
        assert self._before is not None
        _current.reset(self._before)
