"""Which job a log line names that is written in the calling place."""

import io
import logging

from bullmq_consumer import JobLogFilter


def logged_place() -> str:
    """Queue, job id, name and attempt of such a line."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(JobLogFilter())
    handler.setFormatter(logging.Formatter("%(queue)s %(job_id)s %(job_name)s %(attempt)d"))
    handler.handle(logging.makeLogRecord({}))
    return stream.getvalue().strip()
