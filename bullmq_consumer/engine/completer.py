"""Ends attempts: writes the outcome of each to the queue."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeAlias, TypeVar

from redis.exceptions import RedisError

from bullmq_consumer.delivery import FAILURE_WAITS, SNOOZES, whole_number
from bullmq_consumer.engine.fetching import Fetcher
from bullmq_consumer.engine.handle import LiveHandle
from bullmq_consumer.errors import LockLost
from bullmq_consumer.outcome import Done, Fail, FailLater, Outcome, Requeue, Retry, as_written
from bullmq_consumer.protocol.answers import UNSAID, Refusal, Refused, Taken
from bullmq_consumer.protocol.backoff import pause_ms
from bullmq_consumer.protocol.commands import Commands, milliseconds
from bullmq_consumer.protocol.failures import failure_fields
from bullmq_consumer.protocol.job import Job
from bullmq_consumer.safety.durable_writes import PATIENCE_S, DurableWrites
from bullmq_consumer.safety.orphans import Orphans
from bullmq_consumer.scripts.queue_scripts import STOPS, Hold, QueueScripts

logger = logging.getLogger(__name__)

# A worker that stops does not wait long for an unreachable Redis.
_STOPPING_PATIENCE_S = 2.0
# How often a job went back, and why, over its whole life.
_COUNTS = (SNOOZES, FAILURE_WAITS, STOPS)

Answer = TypeVar("Answer")
Prepare: TypeAlias = Callable[[str], Awaitable[Done | Outcome | None]]
"""What becomes of an attempt that is to fail for this reason; None when it counts no more."""


class Completer:
    """Ends the attempts of one worker; `stopping` is set when the worker stops.

    `hides_retries` says of a job's name whether it must show no `failedReason` while an attempt is
    left; `unknown_backoff` is the pause for a backoff type that only the producer knows.
    `is_all_handed_back` is False once a job could not be handed back while the worker stopped;
    `handed_back` counts the hand-backs since the worker began.
    """

    def __init__(
        self,
        commands: Commands,
        scripts: QueueScripts,
        writes: DurableWrites,
        fetcher: Fetcher,
        orphans: Orphans,
        stopping: asyncio.Event,
        *,
        hides_retries: Callable[[str], bool],
        unknown_backoff: timedelta,
    ) -> None:
        self.is_all_handed_back = True
        self.handed_back = 0
        self._commands = commands
        self._scripts = scripts
        self._writes = writes
        self._fetcher = fetcher
        self._orphans = orphans
        self._stopping = stopping
        self._hides_retries = hides_retries
        self._unknown_backoff_ms = milliseconds(unknown_backoff)

    async def keep_checkpoint(self, handle: LiveHandle) -> None:
        """Save a pending checkpoint before the job ends: the next delivery continues from it."""
        with suppress(LockLost, RedisError, OSError):
            await self._writes.until_acknowledged(handle.flush, self._patience_s)

    async def complete(self, outcome: Done | Outcome, job: Job, prepare: Prepare) -> Job | None:
        """Write the outcome of the job's attempt; returns the job that this brought, if it did.

        `prepare` is called before a job fails whose attempt had succeeded: for its children, or for
        a result that is no JSON.
        """
        match outcome:
            case Done():
                return await self._succeed(job, outcome, prepare)
            case Fail():
                return await self.fail(job, outcome)
            case Retry():
                return await self._retry(job, outcome)
            case Requeue() | FailLater():
                return await self.hand_back(job, outcome)

    async def fail(self, job: Job, failure: Fail) -> Job | None:
        """Fail the job for good; returns the job that this brought, if it did."""
        await self._forget_counts(job)
        fields = failure_fields(job, failure.reason, failure.trace, failure.public)
        return await self._end_and_fetch(
            job, lambda more: self._commands.fail(job, fields, fetch_next=more)
        )

    async def hand_back(self, job: Job, outcome: Requeue | FailLater) -> Job | None:
        """Return the job to the queue, no attempt burnt; returns the job that this brought."""
        return await self._fetching(job, lambda more: self._hand_back(job, outcome, more))

    async def hide_failure(self, job: Job) -> None:
        """A Node worker, or one of ours of an older version, left what an attempt failed with."""
        if job.failed_reason is None or not self._hides_retries(job.name):
            return
        try:
            await self._scripts.hide_failure(job.id, job.token)
        except (RedisError, OSError) as error:
            logger.warning("Job %s shows an old failure while it runs: %s", job.id, error)

    # -- each of the ends -------------------------------------------------------------------

    async def _succeed(self, job: Job, outcome: Done, prepare: Prepare) -> Job | None:
        value = as_written(outcome, is_last_attempt=job.is_last_attempt)
        if isinstance(value, str):
            try:
                return await self._end_and_fetch(
                    job, lambda more: self._commands.complete(job, value, fetch_next=more)
                )
            except Refused as error:
                undone: Done | Outcome | None = _held_up_by_children(job, error)
        else:
            undone = value
        if isinstance(undone, Fail):
            undone = await prepare(undone.reason)
        return None if undone is None else await self.complete(undone, job, prepare)

    async def _retry(self, job: Job, outcome: Retry) -> Job | None:
        """After the failure's own delay, or else the job's backoff."""
        fields = failure_fields(job, outcome.reason, outcome.trace)
        if self._hides_retries(job.name):
            del fields["failedReason"]
        pause = self._pause_ms(job, outcome)
        if pause:
            return await self._end_and_fetch(
                job, lambda more: self._commands.delay(job, pause, fields, fetch_next=more)
            )
        # The script wakes a worker for it.
        await self._end(job, lambda: self._commands.retry(job, fields))
        self._fetcher.expect_more()
        return None

    def _pause_ms(self, job: Job, outcome: Retry) -> int:
        if outcome.delay is not None:
            return max(milliseconds(outcome.delay), 0)
        backoff = job.options.get("backoff")
        return pause_ms(backoff, job.attempts_made + 1, self._unknown_backoff_ms)

    async def _hand_back(self, job: Job, outcome: Requeue | FailLater, more: bool) -> Taken | None:
        """None when that was not done here, which the log tells."""
        try:
            taken = await self._writes.until_acknowledged(
                lambda: self._return(job, outcome, more), self._patience_s
            )
        except Refused:
            # It went back by a try whose answer was lost, or is another worker's.
            logger.warning("Job %s was no longer ours to hand back", job.id)
            return None
        except (RedisError, OSError) as error:
            # Its lock runs out, and the stalled check of any worker brings it back.
            logger.warning("Could not hand back job %s: %s", job.id, error)
            self.is_all_handed_back = not self._stopping.is_set()
            return None
        self.handed_back += 1
        logger.info("↩️  Handed back: %s %s%s", job.name, job.id, _how_long(outcome))
        return taken

    async def _return(self, job: Job, outcome: Requeue | FailLater, more: bool) -> Taken:
        """Raises Refused when the job is not ours any more."""
        if isinstance(outcome, FailLater):
            held = await self._scripts.snooze(job.id, job.token, FAILURE_WAITS, outcome.reason)
        elif outcome.delay > timedelta(0):
            held = await self._scripts.snooze(job.id, job.token, SNOOZES)
        elif outcome.is_stop:
            held = await self._scripts.hand_back(job.id, job.token)
        else:
            held = await self._scripts.hand_back(job.id, job.token, SNOOZES)
        if held is not Hold.OURS:
            raise Refused(Refusal.OTHERS_LOCK if held is Hold.OTHERS else Refusal.GONE)
        if isinstance(outcome, Requeue) and outcome.delay <= timedelta(0):
            self._fetcher.expect_more()
            return UNSAID  # it has woken a worker
        if isinstance(outcome, Requeue) and outcome.whole_queue:
            await self._return_limited(job, milliseconds(outcome.delay))
            return UNSAID
        return await self._commands.delay(job, milliseconds(outcome.delay), fetch_next=more)

    async def _return_limited(self, job: Job, limit_ms: int) -> None:
        """Have the queue wait, and the job at its front."""
        self._fetcher.hold_off(limit_ms)  # from now on: a marker comes before the answer
        await self._commands.limit_queue(limit_ms)
        self._fetcher.hold_off(await self._commands.return_limited(job))
        with suppress(RedisError, OSError):
            # BullMQ's script wakes nobody for a job with a priority. Those who wait, this worker
            # among them, find it without that, too, though late.
            await self._scripts.wake()

    # -- the next job -----------------------------------------------------------------------

    async def _end_and_fetch(
        self, job: Job, write: Callable[[bool], Awaitable[Taken]]
    ) -> Job | None:
        """Write an end whose answer may bring the next job. Raises Refused for the children."""
        return await self._fetching(job, lambda more: self._end(job, lambda: write(more)))

    async def _fetching(
        self, job: Job, write: Callable[[bool], Awaitable[Taken | None]]
    ) -> Job | None:
        """The next job from what `write` returns: None is an answer that was lost.

        Under a global concurrency this is what takes a job that waited for the place: no marker
        comes for it.
        """
        more, sent_at = self._fetcher.wants_more, time.monotonic()
        with self._orphans.tracked(job.token):
            taken = await write(more)
            if taken is None and more:
                # It was written, and its answer, which was lost, perhaps brought the next job.
                self._orphans.sweep_soon()
        if taken is None or taken is UNSAID or not more:
            return None
        try:
            return await self._fetcher.receive(taken, job.token, sent_at)
        except (RedisError, OSError) as error:
            logger.warning("A job that arrived could not be read: %s", error)
            self._orphans.sweep_soon()
            return None

    async def _end(self, job: Job, write: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """Write until it took effect; None when that was not here, or not at all."""
        try:
            return await self._writes.end(job.key, write)
        except (RedisError, OSError) as error:
            logger.error("The end of job %s could not be written: %s", job.id, error)
            return None

    async def _forget_counts(self, job: Job) -> None:
        """Who retries a failed job by hand begins anew."""
        if any(whole_number(job.fields.get(count)) for count in _COUNTS):
            with suppress(RedisError, OSError):
                await self._scripts.forget(job.id, *_COUNTS)

    @property
    def _patience_s(self) -> float:
        """How long to wait for Redis."""
        return _STOPPING_PATIENCE_S if self._stopping.is_set() else PATIENCE_S


def _how_long(outcome: Requeue | FailLater) -> str:
    if not (seconds := outcome.delay.total_seconds()):
        return ""
    what = ", the queue with it" if isinstance(outcome, Requeue) and outcome.whole_queue else ""
    return f" for {seconds:.0f} s{what}: {outcome.reason}"


def _held_up_by_children(job: Job, error: Refused) -> Outcome:
    """What Node does with a parent that returns before its children are done, in its words."""
    if error.has_failed_children:
        what = f"Cannot complete job {job.id} because it has at least one failed child"
        return Fail(f"{what}. moveToFinished")
    return _failed(job, f"Job {job.id} has pending dependencies. moveToFinished")


def _failed(job: Job, reason: str) -> Outcome:
    return Fail(reason) if job.is_last_attempt else Retry(reason)
