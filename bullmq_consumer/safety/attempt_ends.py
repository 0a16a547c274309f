"""Amends the library's scripts that end an attempt, so that they lose nothing."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from bullmq import Job
from bullmq.custom_errors import DelayedError
from redis.exceptions import RedisError

from bullmq_consumer.safety.durable_writes import DurableWrites

logger = logging.getLogger(__name__)

# The position of the lock's token among their arguments.
_ENDS = {"moveToCompleted": 3, "moveToFailed": 3, "moveToDelayed": 3, "retryJob": 2}
# Those that send the job back for another one.
_RETRIES = ("moveToDelayed", "retryJob")
_FAILED_REASON = "failedReason"


def amend_ends(backend: Any, writes: DurableWrites, is_hidden: Callable[[str], bool]) -> None:
    """Wrap the scripts of the library's `backend`.

    Each is run until it took effect. `is_hidden` returns by a job's id whether it must not look
    failed while an attempt is left.
    """
    for name in _RETRIES:
        setattr(backend, name, _hiding(getattr(backend, name), is_hidden))
    for name, token_place in _ENDS.items():
        setattr(backend, name, _durable(getattr(backend, name), token_place, writes))


def _hiding(send_back: Callable[..., Awaitable[Any]], is_hidden: Callable[[str], bool]) -> Any:
    """The script for another attempt, without a `failedReason` that must be hidden."""

    async def sent_back(job_id: str, *args: Any) -> Any:
        *before, options = args
        fields = options.get("fieldsToUpdate")
        if fields and is_hidden(job_id):
            kept = {name: text for name, text in fields.items() if name != _FAILED_REASON}
            options = {**options, "fieldsToUpdate": kept}
        return await send_back(job_id, *before, options)

    return sent_back


def _durable(move: Callable[..., Awaitable[Any]], token_place: int, writes: DurableWrites) -> Any:
    """The script, run until it took effect. Its first argument is the job or its id."""

    async def until_done(job: Job | str, *args: Any, **options: Any) -> Any:
        job_id, token = job if isinstance(job, str) else str(job.id), args[token_place - 1]
        try:
            answer = await writes.end(job_id, token, lambda: move(job, *args, **options))
        except (RedisError, OSError) as error:
            logger.error("The end of job %s could not be written: %s", job_id, error)
            raise DelayedError from error  # or the library would fail a job that succeeded
        return answer or {"result": None, "finishedOn": 0}

    return until_done
