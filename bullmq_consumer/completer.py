"""Ends attempts: writes the outcome of each to the queue."""

import asyncio
import logging
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from bullmq import Job
from bullmq.custom_errors import DelayedError, UnrecoverableError
from redis.exceptions import RedisError

from bullmq_consumer.backoff import with_jitter
from bullmq_consumer.delivery import FAILURE_WAITS, SNOOZES, delivery_of
from bullmq_consumer.errors import LockLost
from bullmq_consumer.handle import LiveHandle
from bullmq_consumer.outcome import Done, FailLater, Outcome, Requeue, Retry
from bullmq_consumer.safety.durable_writes import PATIENCE_S, DurableWrites
from bullmq_consumer.scripts.queue_scripts import Hold, QueueScripts

logger = logging.getLogger(__name__)

# A worker that stops does not wait long for an unreachable Redis.
_STOPPING_PATIENCE_S = 2.0


class AttemptFailed(Exception):
    """Makes BullMQ retry with the job's own backoff; the message is `failedReason`."""


class Completer:
    """Ends the attempts of one worker; `stopping` is set when the worker stops.

    `is_all_handed_back` is False once a job could not be handed back while the worker stopped.
    """

    def __init__(
        self, scripts: QueueScripts, writes: DurableWrites, stopping: asyncio.Event
    ) -> None:
        self.is_all_handed_back = True
        self._scripts = scripts
        self._writes = writes
        self._stopping = stopping

    async def keep_checkpoint(self, handle: LiveHandle) -> None:
        """Save a pending checkpoint before the job ends: the next delivery continues from it."""
        with suppress(LockLost, RedisError, OSError):
            await self._writes.until_acknowledged(handle.flush, self._patience_s)

    async def complete(self, outcome: Done | Outcome, job: Job, token: str) -> Any:
        """The job's value, for the library to write; raises what makes it write another end."""
        if isinstance(outcome, Done):
            return outcome.returnvalue
        if isinstance(outcome, Requeue | FailLater):
            await self.hand_back(job, token, outcome)
            raise DelayedError  # keeps the library off the job
        if isinstance(outcome, Retry):
            job.opts["backoff"] = with_jitter(job.opts.get("backoff"), job.attemptsMade + 1)
            raise AttemptFailed(outcome.reason)
        await self.forget_counts(job)
        raise UnrecoverableError(outcome.reason)

    async def hand_back(self, job: Job, token: str, outcome: Requeue | FailLater) -> None:
        """Return the job to the queue, no attempt burnt."""
        try:
            held = await self._writes.until_acknowledged(
                lambda: self._return(job, token, outcome), self._patience_s
            )
        except (RedisError, OSError, TypeError, DelayedError) as error:
            # Its lock expires, and the stalled check of any worker returns it.
            logger.warning("Could not hand back job %s: %s", job.id, error)
            self.is_all_handed_back = not self._stopping.is_set()
            return
        if held is not Hold.OURS:
            logger.warning("Job %s was no longer ours to hand back", job.id)
            return
        seconds = outcome.delay.total_seconds()
        how = f" for {seconds:.0f} s: {outcome.reason}" if seconds else ""
        logger.info("↩️  Handed back: %s %s%s", job.name, job.id, how)

    async def hide_failure(self, job: Job, token: str) -> None:
        """Remove a `failedReason` that a Node worker, or an older version of ours, left."""
        try:
            await self._scripts.hide_failure(job.id, token)
        except (RedisError, OSError) as error:
            logger.warning("Job %s shows an old failure while it runs: %s", job.id, error)

    async def forget_counts(self, job: Job) -> None:
        """Reset the counters of a job that failed, so that a manual retry starts afresh."""
        delivery = delivery_of(job)
        if delivery.snoozes or delivery.failure_waits:
            with suppress(RedisError, OSError):
                await self._scripts.forget(job.id, SNOOZES, FAILURE_WAITS)

    async def _return(self, job: Job, token: str, outcome: Requeue | FailLater) -> Hold:
        if isinstance(outcome, FailLater):
            held = await self._scripts.snooze(job.id, token, FAILURE_WAITS, outcome.reason)
        elif outcome.delay > timedelta(0):
            held = await self._scripts.snooze(job.id, token, SNOOZES)
        else:
            return await self._scripts.hand_back(job.id, token)
        if held is Hold.OURS:
            await job.moveToDelayed(_now_ms() + _ms(outcome.delay), token)
        return held

    @property
    def _patience_s(self) -> float:
        """How long to wait for Redis."""
        return _STOPPING_PATIENCE_S if self._stopping.is_set() else PATIENCE_S


def _now_ms() -> int:
    return round(time.time() * 1000)


def _ms(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
