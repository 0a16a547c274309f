"""Takes jobs from the queue and gives their outcomes back.

With safe_worker.py the only module that knows bullmq.
"""

# bullmq ships no types.
# pyright: basic, reportMissingTypeStubs=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false

import asyncio
import base64
import os
import socket
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from bullmq import Job, Queue
from bullmq.custom_errors import DelayedError, UnrecoverableError
from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.settings import Settings
from core.errors import LockLost
from runtime.delivery import Delivery, read_checkpoint, read_count
from runtime.dispatch import Dispatcher, Done
from runtime.lease import Lease
from runtime.link import JobLink
from runtime.outcome import FailLater, Outcome, Retry, Return
from runtime.redis_client import BLOCK_S
from runtime.safe_worker import SafeWorker
from runtime.scripts import LOCK_MS, Hold, QueueScripts

# A cancelled handler gets this long to unwind before its job is handed back without it.
_UNWIND_S = 0.8
# The library's close() can hang while Redis is away; the process ends all the same.
_CLOSE_S = 3


class AttemptFailed(Exception):
    """Tells BullMQ to retry with the job's own backoff; the message is `failedReason`."""


class Consumer:
    """Runs jobs of one queue until it is told to stop."""

    def __init__(self, settings: Settings, redis: Redis, dispatcher: Dispatcher) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._stopping = asyncio.Event()
        self._grace_over = asyncio.Event()
        self._running: dict[str, asyncio.Task[Done | Outcome]] = {}
        self._scripts = QueueScripts(redis, settings.queue_name)
        self._queue = Queue(settings.queue_name, {"connection": redis})
        self._worker = SafeWorker(
            settings.queue_name,
            self._process,
            _worker_options(settings, redis, self._unknown_backoff),
            scripts=self._scripts,
            frees_id=dispatcher.frees_id,
            settle_deferred=self._settle_deferred,
        )
        self._worker.on("stalled", lambda job_id: logger.warning("⚠️  Stalled: {}", job_id))
        self._worker.on("error", self._worker_error)
        self._worker.on("lockRenewalFailed", self._locks_lost)

    async def start(self, *, after_outage: bool = False) -> asyncio.Task[None]:
        """Begin to take jobs. The task ends when `stop` is done, or when the library gives up.

        It begins with a stalled check, as Node does: a job is found stalled by the second one, and
        a worker that follows a killed one is alone. Not `after_outage`: see `SafeWorker`.
        """
        # Without the version the library rounds short waits up to a second: late delayed jobs.
        await self._worker.blockingRedisConnection.getRedisVersion()
        # Node's getWorkers() finds a worker by its connections' name, in which it writes the
        # queue's in base64; the Python port does not.
        queue = base64.b64encode(self._settings.queue_name.encode()).decode()
        self._worker.clientName = f"bull:{queue}:w:{self._worker.workerName}"
        await self._worker.backend.setName(self._worker.clientName)
        if not after_outage:
            await self._worker.runStalledJobsCheck()
        return asyncio.create_task(self._worker.run(), name="consumer")

    async def stop(self, loop: asyncio.Task[None], grace: timedelta) -> bool:
        """Take no more jobs, give running ones `grace`, hand back the rest, disconnect.

        False when the library could not be closed in time: Redis is away, and what the library
        left behind would keep the event loop from ending.
        """
        self._stopping.set()
        # close() would end lock renewal while jobs still run; pause() does not.
        await self._worker.pause(do_not_wait_active=True)
        if self._running:
            await asyncio.wait(self._running.values(), timeout=grace.total_seconds())
        self._grace_over.set()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=2 * _UNWIND_S)
        closing = asyncio.create_task(self._worker.close())
        _, pending = await asyncio.wait({closing, loop}, timeout=_CLOSE_S)
        return not pending

    # -- one job ----------------------------------------------------------------------------

    async def _process(self, job: Job, token: str) -> dict[str, Any]:
        """The library's processor: returns the envelope, or raises what the outcome asks for."""
        if self._stopping.is_set():
            await self._to_front(job, token)
            raise DelayedError
        lease = self._worker.lease(job.id, token, lambda: self._stop_attempt(job.id))
        link = self._link(job, lease)
        attempt = asyncio.create_task(
            self._dispatcher.run(_delivery(job), link, self._stopping), name=f"job {job.id}"
        )
        self._running[job.id] = attempt
        try:
            outcome = await self._outcome(attempt)
            with suppress(LockLost):
                await link.flush()
        finally:
            self._running.pop(str(job.id), None)
            self._worker.leases.pop(str(job.id), None)
        if lease.is_lost:
            raise DelayedError  # whoever holds the lock now decides about the job
        return await self._apply(outcome, job, token)

    async def _apply(self, outcome: Done | Outcome, job: Job, token: str) -> dict[str, Any]:
        if isinstance(outcome, Done):
            return outcome.envelope
        if isinstance(outcome, Return | FailLater):
            await self._hand_back(job, token, outcome)
            raise DelayedError  # keeps the library off the job
        if isinstance(outcome, Retry):
            raise AttemptFailed(outcome.reason)
        raise UnrecoverableError(outcome.reason)

    async def _outcome(self, attempt: asyncio.Task[Done | Outcome]) -> Done | Outcome:
        """Wait for the attempt, or until the worker stops and its grace has passed."""
        out_of_time = asyncio.create_task(self._grace_over.wait())
        try:
            # A library whose main loop has ended cancels its jobs, and waits for what they do then.
            with suppress(asyncio.CancelledError):
                await asyncio.wait({attempt, out_of_time}, return_when=asyncio.FIRST_COMPLETED)
            if not attempt.done():
                attempt.cancel()
                await asyncio.wait({attempt}, timeout=_UNWIND_S)
        finally:
            out_of_time.cancel()
        if not attempt.done() or attempt.cancelled():
            # A CancelledError must never reach the library: it would end its main loop.
            return Return(timedelta(0))
        return attempt.result()

    async def _settle_deferred(self, job: Job, token: str) -> bool:
        """Settle the rows of a job that is to fail; False when it went back to wait for that."""
        lease = self._worker.lease(job.id, token, lambda: None)
        try:
            link = self._link(job, lease)
            reason = str(job.deferredFailure)
            outcome = await self._dispatcher.settle(_delivery(job), link, reason)
        finally:
            self._worker.leases.pop(str(job.id), None)
        if isinstance(outcome, FailLater):
            await self._put_off(job, token, outcome)
        return not isinstance(outcome, FailLater)

    async def _hand_back(self, job: Job, token: str, outcome: Return | FailLater) -> None:
        """Return the job to the queue, no attempt burnt."""
        if outcome.delay > timedelta(0):
            await self._put_off(job, token, outcome)
        else:
            await self._to_front(job, token)

    async def _to_front(self, job: Job, token: str) -> None:
        try:
            held = await self._scripts.hand_back(job.id, token)
        except (RedisError, OSError) as error:
            # Its lock runs out, and the stalled check of any worker brings it back.
            logger.warning("Could not hand back job {}: {}", job.id, error)
            return
        if held is Hold.OURS:
            logger.info("↩️  Handed back: {} {}", job.name, job.id)
        else:
            logger.warning("Job {} was no longer ours to hand back", job.id)

    async def _put_off(self, job: Job, token: str, outcome: Return | FailLater) -> None:
        """Back to the queue, not to be taken before the delay is over."""
        failure = outcome.reason if isinstance(outcome, FailLater) else None
        try:
            held = await self._scripts.put_off(job.id, token, failure)
            if held is Hold.OURS:
                await job.moveToDelayed(_now_ms() + _ms(outcome.delay), token)
        except (RedisError, OSError, TypeError) as error:
            logger.warning("Could not hand back job {}: {}", job.id, error)
            return
        seconds = outcome.delay.total_seconds()
        about = f"{job.name} {job.id} for {seconds:.0f} s: {outcome.reason}"
        logger.info("↩️  Handed back: {}", about)

    def _link(self, job: Job, lease: Lease) -> JobLink:
        return JobLink(self._queue, job, lease, self._settings, self._scripts)

    def _unknown_backoff(self, attempts: int, kind: str, error: Exception, job: Job) -> int:
        """Milliseconds for a backoff type that only the producer knows."""
        return self._settings.queue_retry_delay_ms

    def _locks_lost(self, job_ids: list[str]) -> None:
        for job_id in job_ids:
            lease = self._worker.leases.get(job_id)
            if lease is not None:
                lease.lose()

    def _stop_attempt(self, job_id: str) -> None:
        """Stop the work on a job that another worker may have by now."""
        logger.error("Lost the lock of job {}: stopping, another worker goes on", job_id)
        attempt = self._running.get(job_id)
        if attempt is not None:
            attempt.cancel()

    def _worker_error(self, error: Exception, job: Job | None = None) -> None:
        if job is None:
            self._worker.repeated_error.failed(error)
        else:
            logger.warning("BullMQ reports on job {}: {}", job.id, error or type(error).__name__)

    @property
    def last_fetch(self) -> float:
        """When Redis last answered a fetch, on the monotonic clock in seconds."""
        return self._worker.last_fetch

    @property
    def is_full(self) -> bool:
        """Whether as many jobs run as may."""
        return len(self._running) >= self._settings.queue_concurrency


def _worker_options(settings: Settings, redis: Redis, backoff: Any) -> dict[str, Any]:
    """As the Node worker's, with one long wait for jobs."""
    return {
        "connection": redis,
        "name": f"vidfab-{socket.gethostname()}-{os.getpid()}",
        "autorun": False,
        "concurrency": settings.queue_concurrency,
        "lockDuration": LOCK_MS,
        "stalledInterval": 30_000,
        "maxStalledCount": 1,
        "drainDelay": BLOCK_S,
        "runRetryDelay": 2_000,
        "settings": {"backoffStrategy": backoff},
    }


def _delivery(job: Job) -> Delivery:
    own_fields: dict[str, str] = getattr(job, "own_fields", {})
    return Delivery(
        job_id=job.id,
        name=job.name,
        data=job.data,
        attempts_made=job.attemptsMade,
        attempts=job.opts["attempts"],
        checkpoint=read_checkpoint(own_fields.get("checkpoint")),
        hand_backs=read_count(own_fields.get("handBacks")),
    )


def _ms(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)


def _now_ms() -> int:
    return round(time.time() * 1000)
