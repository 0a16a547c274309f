"""The only file that imports bullmq: takes jobs from the queue and gives their outcomes back."""

# bullmq ships no types.
# pyright: basic, reportMissingTypeStubs=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false

import asyncio
import base64
import os
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from importlib import resources
from typing import Any, NoReturn

from bullmq import Job, Queue, Worker
from bullmq.custom_errors import DelayedError, UnrecoverableError
from loguru import logger
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError, ResponseError

from config.settings import Settings
from runtime.delivery import Delivery, read_checkpoint, readable, safe_options
from runtime.dispatch import Dispatcher, Done
from runtime.link import JobLink
from runtime.outcome import Outcome, Retry, Return
from runtime.redis_client import BLOCK_S
from runtime.repeated_error import RepeatedError

_LOCK_MS = 30_000
# A cancelled handler gets this long to unwind before its job is handed back without it.
_UNWIND_S = 1
# The library's close() can hang while Redis is away; the process ends all the same.
_CLOSE_S = 3
# How long a free place waits after Redis refused to hand out a job.
_REFUSED_S = 1


class AttemptFailed(Exception):
    """Tells BullMQ to retry with the job's own backoff; the message is `failedReason`."""


class Consumer:
    """Runs jobs of one queue until it is told to stop."""

    def __init__(self, settings: Settings, redis: Redis, dispatcher: Dispatcher) -> None:
        self._settings = settings
        self._redis = redis
        self._dispatcher = dispatcher
        self._stopping = asyncio.Event()
        self._grace_over = asyncio.Event()
        self._running: dict[str, asyncio.Task[Done | Outcome]] = {}
        self._lost: set[str] = set()
        connection = {"connection": redis}
        self._queue = Queue(settings.queue_name, connection)
        self._worker = _SafeWorker(
            settings.queue_name,
            self._process,
            {
                **connection,
                "name": f"vidfab-{socket.gethostname()}-{os.getpid()}",
                "autorun": False,
                "concurrency": settings.queue_concurrency,
                "lockDuration": _LOCK_MS,
                "stalledInterval": 30_000,
                "maxStalledCount": 1,
                "drainDelay": BLOCK_S,
                "runRetryDelay": 2_000,
                "settings": {"backoffStrategy": self._unknown_backoff},
            },
        )
        self._worker.frees_id = dispatcher.frees_id
        self._worker.on("stalled", lambda job_id: logger.warning("⚠️  Stalled: {}", job_id))
        self._worker.on("error", self._worker_error)
        self._worker.on("lockRenewalFailed", self._locks_lost)
        self._worker.before_deferred_failure = self._before_deferred_failure
        self._hand_back_script = _script(redis, "hand_back.lua")
        self._checkpoint_script = _script(redis, "checkpoint.lua")

    async def start(self) -> asyncio.Task[None]:
        """Begin to take jobs. The task ends when `stop` is done, or when the library gives up."""
        # Without the version the library rounds short waits up to a second: late delayed jobs.
        await self._worker.blockingRedisConnection.getRedisVersion()
        # Node's getWorkers() finds a worker by its connections' name, in which it writes the
        # queue's in base64; the Python port does not.
        queue = base64.b64encode(self._settings.queue_name.encode()).decode()
        self._worker.clientName = f"bull:{queue}:w:{self._worker.workerName}"
        await self._worker.backend.setName(self._worker.clientName)
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
            await self._hand_back(job, token, timedelta(0))
        link = JobLink(self._queue, job, self._settings, self._checkpoint_script)
        attempt = asyncio.create_task(
            self._dispatcher.run(_delivery(job), link, self._stopping), name=f"job {job.id}"
        )
        self._running[job.id] = attempt
        try:
            outcome = await self._outcome(attempt)
        finally:
            self._running.pop(str(job.id), None)
        if job.id in self._lost:
            self._lost.discard(job.id)
            raise DelayedError  # whoever holds the lock now decides about the job
        if isinstance(outcome, Done):
            return outcome.envelope
        if isinstance(outcome, Return):
            await self._hand_back(job, token, outcome.delay)
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

    async def _hand_back(self, job: Job, token: str, delay: timedelta) -> NoReturn:
        """Return the job to the queue, no attempt burnt; DelayedError keeps the library off it."""
        try:
            if delay > timedelta(0):
                milliseconds = round(delay.total_seconds() * 1000)
                await job.moveToDelayed(_now_ms() + milliseconds, token)
            else:
                await self._to_front(job, token)
        except (RedisError, OSError) as error:
            # Its lock runs out, and the stalled check of any worker brings it back.
            logger.warning("Could not hand back job {}: {}", job.id, error)
        raise DelayedError

    async def _to_front(self, job: Job, token: str) -> None:
        keys = self._worker.keys
        names = ("active", "wait", "paused", "prioritized", "stalled", "meta", "marker", "events")
        code = await self._hand_back_script(
            keys=[*(keys[name] for name in names), self._queue.toKey(job.id)], args=[job.id, token]
        )
        if code == 0:
            logger.info("↩️  Handed back: {} {}", job.name, job.id)
        else:
            logger.warning("Job {} was no longer ours to hand back (code {})", job.id, code)

    def _unknown_backoff(self, attempts: int, kind: str, error: Exception, job: Job) -> int:
        """Milliseconds for a backoff type that only the producer knows."""
        return self._settings.queue_retry_delay_ms

    def _locks_lost(self, job_ids: list[str]) -> None:
        """Stop the work on jobs that another worker may have by now."""
        for job_id in job_ids:
            attempt = self._running.get(job_id)
            if attempt is not None and job_id not in self._lost:
                logger.error("Lost the lock of job {}: stopping, another worker goes on", job_id)
                self._lost.add(job_id)
                attempt.cancel()

    async def _before_deferred_failure(self, job: Job) -> None:
        link = JobLink(self._queue, job, self._settings, self._checkpoint_script)
        await self._dispatcher.settle(_delivery(job), link, str(job.deferredFailure))

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


class _SafeWorker(Worker):
    """The library's worker, with listeners that cannot end it and jobs that carry a checkpoint.

    `frees_id` says of a job's name whether a finished one is removed at once.
    """

    frees_id: Callable[[str], bool]

    before_deferred_failure: Callable[[Job], Awaitable[None]]

    last_fetch = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.repeated_error = RepeatedError("BullMQ reports")

    async def moveToActive(self, token: str) -> Job | None:
        """Also note that Redis answered, and that it hands out jobs again."""
        job = await self._answered(super().moveToActive(token))
        self.repeated_error.worked()
        return job

    async def waitForJob(self) -> int:
        """Also note that Redis answered."""
        return await self._answered(super().waitForJob())

    async def _answered(self, question: Awaitable[Any]) -> Any:
        try:
            answer = await question
        except ResponseError:
            self.last_fetch = time.monotonic()
            # The library asks again at once, for each free place: Redis may bill every question.
            await asyncio.sleep(_REFUSED_S)
            raise
        self.last_fetch = time.monotonic()
        return answer

    def emit(self, event_name: str, *args: Any, **kwargs: Any) -> None:
        """Call the listeners; one that raises would end the main loop or the lock renewal."""
        for listener in list(self._callbacks.get(event_name, ())):
            try:
                listener(*args, **kwargs)
            except Exception:
                logger.exception("A listener of '{}' failed", event_name)

    async def nextJobFromJobData(
        self, job_data: dict[str, str] | None = None, *args: Any, **kwargs: Any
    ) -> Job | None:
        """Also read the checkpoint, and make options safe that would strand the job later."""
        try:
            job = await super().nextJobFromJobData(job_data, *args, **kwargs)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            # It is active already: left alone it would hold a place until it counts as stalled.
            logger.error("A job cannot be decoded and will fail: {}", type(error).__name__)
            job = await super().nextJobFromJobData(readable(job_data or {}), *args, **kwargs)
        if job is not None and job_data is not None:
            job.checkpoint_text = job_data.get("checkpoint")  # pyright: ignore
            job.opts = safe_options(job.opts)
            if self.frees_id(job.name):
                # Here, and so for jobs that the library fails by itself too, when they stall.
                job.opts |= {"removeOnComplete": True, "removeOnFail": True}
        return job

    async def processJob(self, job: Job, token: str) -> Any:
        """Settle the rows of a job that the library fails unasked: it stalled too often."""
        if job.deferredFailure:
            await self.before_deferred_failure(job)
        return await super().processJob(job, token)


def _delivery(job: Job) -> Delivery:
    return Delivery(
        job_id=job.id,
        name=job.name,
        data=job.data,
        attempts_made=job.attemptsMade,
        attempts=job.opts["attempts"],
        checkpoint=read_checkpoint(getattr(job, "checkpoint_text", None)),
    )


def _script(redis: Redis, name: str) -> AsyncScript:
    return redis.register_script(resources.files("runtime").joinpath(name).read_text("utf-8"))


def _now_ms() -> int:
    return round(time.time() * 1000)
