"""Takes jobs from the queue, runs them, and writes their outcomes."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from typing import Any

from bullmq import Job, Queue
from bullmq.custom_errors import DelayedError
from redis.exceptions import RedisError, ResponseError

from bullmq_consumer.application import Application
from bullmq_consumer.completer import Completer
from bullmq_consumer.delivery import Delivery, DeliveryKey, delivery_of
from bullmq_consumer.fetching import Fetcher
from bullmq_consumer.handle import LiveHandle
from bullmq_consumer.health.attempts import RunningAttempts, end_of
from bullmq_consumer.options import Options
from bullmq_consumer.outcome import Done, FailLater, Outcome, Requeue
from bullmq_consumer.redis.clients import OLDEST_VERSION, connect, connect_to_wait
from bullmq_consumer.redis.startup import AT_ONCE_S, until_redis_answers
from bullmq_consumer.safety.leases import Lease
from bullmq_consumer.scripts.queue_scripts import QueueScripts

logger = logging.getLogger(__name__)

# A cancelled handler gets this long to unwind before its job is handed back without it.
_UNWIND_S = 0.8
# The library's close() can hang while Redis is unreachable; the process ends all the same.
_CLOSE_S = 3
# By then Redis has seen that a connection was closed.
_HANG_UP_S = 0.1


class Worker:
    """Runs the jobs of one queue until it is stopped. Created inside a running event loop.

    1. A `Fetcher` takes jobs, renews their locks, and recovers stalled and orphaned jobs.
    2. Each attempt is a task of its own, given to the `application`, whose outcome is written.
    3. What does not end within the grace of a stop is cancelled and goes back to the queue.

    `redis` is its client for all commands except the wait for jobs. `attempts` counts running jobs.
    """

    def __init__(
        self,
        options: Options,
        application: Application,
        attempts: RunningAttempts | None = None,
    ) -> None:
        self.redis = redis = connect(options.redis)
        self._options = options
        self._attempts = attempts or RunningAttempts()
        self._application = application
        self._stopping = asyncio.Event()
        self._grace_over = asyncio.get_running_loop().create_future()
        self._running: dict[DeliveryKey, asyncio.Task[Done | Outcome]] = {}
        self._scripts = QueueScripts(redis, options.queue, options.lock)
        redis.keep_loaded(self._scripts.progress)
        self._queue = Queue(
            options.queue.name, {"connection": redis, "prefix": options.queue.prefix}
        )
        self._fetcher = Fetcher(
            options.queue.name,
            self._process,
            options.of_library(redis, self._unknown_backoff),
            scripts=self._scripts,
            waiting_client=connect_to_wait(options.redis, redis, options.client_name),
            releases_id=application.releases_id,
            hides_retries=application.hides_retries,
            fail_deferred=self._fail_deferred,
            fitness=application.fitness,
        )
        self._completer = Completer(self._scripts, self._fetcher.writes, self._stopping)
        self._fetcher.on("stalled", _log_stalled)
        self._fetcher.on("error", self._worker_error)
        self._fetcher.on("lockRenewalFailed", self._locks_lost)

    async def run(self, stop: asyncio.Event, grace: timedelta) -> bool:
        """Wait for Redis, take jobs until `stop` is set, then stop within `grace`.

        Returns as `stop()` does. Raises RedisUnreachable if waiting does not help, as with a wrong
        password, and the error of the library's loop, if that ended by itself.
        """
        began = time.monotonic()
        if not await until_redis_answers(self._options.redis, stop):
            return True
        loop = await self.start(after_outage=time.monotonic() - began > AT_ONCE_S)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({loop, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        is_clean = await self.stop(loop, grace)
        if not stop.is_set():
            loop.result()
        return is_clean

    async def start(self, *, after_outage: bool = False) -> asyncio.Task[None]:
        """Start to take jobs. The task ends when `stop` is done, or when the library gives up.

        It starts with a stalled check, as Node does: only the second check finds a job stalled, and
        a worker that replaces a killed one may be alone. Not `after_outage`: locks expired
        meanwhile, and their holders are about to take them again.
        """
        await self._learn_version()
        if not after_outage:
            await self._fetcher.runStalledJobsCheck()
        return asyncio.create_task(self._fetcher.run(), name="consumer")

    async def _learn_version(self) -> None:
        """Detect Redis's version, without which the library rounds short waits up to a second."""
        waiting = self._fetcher.blockingRedisConnection
        try:
            await waiting.getRedisVersion()
        except ResponseError:  # the user may not run INFO
            waiting.skipVersionCheck, waiting.minimum_version = True, OLDEST_VERSION
            await waiting.getRedisVersion()

    async def stop(self, loop: asyncio.Task[None], grace: timedelta) -> bool:
        """Stop in this order; `loop` is what `start` returned.

        1. No more jobs are taken; what was prefetched goes back.
        2. Running jobs have `grace` to end by themselves.
        3. What still runs is cancelled, has 0.8 s to unwind, and goes back, no attempt burnt.
        4. Orphaned jobs are looked for, and go back.
        5. The wait for jobs is ended, and another worker woken for the job of its marker.
        6. The library is closed, with it `loop`, then the connections.

        False when a job could not be handed back, or the library not be closed within its limit:
        Redis is unreachable, and the library's tasks would keep the event loop from ending.
        """
        self._stopping.set()
        await self._fetcher.stop_taking()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=grace.total_seconds())
        if not self._grace_over.done():
            self._grace_over.set_result(None)
        if self._running:
            await asyncio.wait(self._running.values(), timeout=2 * _UNWIND_S)
        # The library's close() waits only for the jobs that it had when called: some come later.
        closing = asyncio.create_task(self._close())
        _, pending = await asyncio.wait({closing, loop}, timeout=_CLOSE_S)
        if pending or not self._completer.is_all_handed_back:
            return False
        await self.redis.aclose()
        return True

    async def _close(self) -> None:
        await self._fetcher.until_idle()
        self._fetcher.orphans.stop()
        try:
            await self._fetcher.orphans.hand_back()
            # The cancelled wait may have consumed the marker of a job. Redis has to see the end of
            # that connection first, or the wait would consume the new marker too.
            await self._fetcher.hang_up()
            await asyncio.sleep(_HANG_UP_S)
            await self._scripts.wake()
        except (RedisError, OSError) as error:
            logger.warning("Could not look for jobs that are left: %s", error)
            self._completer.is_all_handed_back = False
        await self._fetcher.close()

    # -- one job ----------------------------------------------------------------------------

    async def _process(self, job: Job, token: str) -> Any:
        """The library's processor: returns the job's value, or raises as the outcome requires."""
        if self._stopping.is_set():
            await self._completer.hand_back(job, token, Requeue(timedelta(0)))
            raise DelayedError
        delivery = delivery_of(job)
        if job.failedReason and self._application.hides_retries(delivery.name):
            await self._completer.hide_failure(job, token)
        with self._hold(job, token) as lease:
            handle = self._handle(job, lease)
            work = self._application.run(delivery, handle, self._stopping)
            try:
                outcome = await self._attempt(delivery, handle, token, work)
                if not isinstance(outcome, Done):
                    await self._completer.keep_checkpoint(handle)
                if lease.is_lost:
                    raise DelayedError  # whoever holds the lock now decides about the job
                await handle.events.end()
            finally:
                handle.events.drop()
            return await self._completer.complete(outcome, job, token)

    async def _attempt(
        self,
        delivery: Delivery,
        handle: LiveHandle,
        token: str,
        work: Coroutine[Any, Any, Done | Outcome],
    ) -> Done | Outcome:
        attempt = asyncio.create_task(work, name=f"job {delivery.job_id}")
        self._running[delivery.job_id, token] = attempt
        try:
            with self._attempts.attempt(delivery, handle) as noted:
                outcome = await self._outcome(attempt)
                if not handle.fence.is_lost:
                    noted.end = end_of(None if isinstance(outcome, Done) else outcome)
            return outcome
        finally:
            del self._running[delivery.job_id, token]

    async def _outcome(self, attempt: asyncio.Task[Done | Outcome]) -> Done | Outcome:
        """Wait for the attempt, or until the worker stops and its grace has passed."""
        ends = {attempt, self._grace_over}
        # When its main loop has ended, the library cancels its jobs and waits for them.
        with suppress(asyncio.CancelledError):
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not attempt.done():
            attempt.cancel()
            await asyncio.wait({attempt}, timeout=_UNWIND_S)
        if not attempt.done() or attempt.cancelled():
            # A CancelledError must never reach the library: it would end its main loop.
            return Requeue(timedelta(0))
        return attempt.result()

    async def _fail_deferred(self, job: Job, token: str) -> bool:
        """Finalise the rows of a job that is to fail; False when it went back to wait for that."""
        delivery = delivery_of(job)
        with self._hold(job, token) as lease:
            handle = self._handle(job, lease)
            work = self._application.on_failed(delivery, handle, str(job.deferredFailure))
            outcome = await self._attempt(delivery, handle, token, work)
            handle.events.drop()  # the hook of a job that failed has nothing to show
            if lease.is_lost:
                return False
            if isinstance(outcome, Requeue | FailLater):
                await self._completer.hand_back(job, token, outcome)
                return False
            await self._completer.forget_counts(job)
            return True

    def _hold(self, job: Job, token: str) -> AbstractContextManager[Lease]:
        return self._fetcher.hold(job, token, lambda: self._on_lock_lost(job, token))

    def _handle(self, job: Job, lease: Lease) -> LiveHandle:
        defaults = self._options.new_jobs
        return LiveHandle(self._queue, job, lease, defaults, self._scripts, self._fetcher.writes)

    def _unknown_backoff(self, attempts: int, kind: str, error: Exception, job: Job) -> int:
        """Milliseconds for a backoff type that only the producer knows."""
        return _ms(self._options.unknown_backoff)

    def _locks_lost(self, job_ids: list[str]) -> None:
        for lease in self._fetcher.leases.of(job_ids):
            lease.lose()

    def _on_lock_lost(self, job: Job, token: str) -> None:
        """Stop an attempt whose job another worker may have by now, or that was removed."""
        logger.error("Lost the lock of job %s: stopping, another worker goes on", job.id)
        attempt = self._running.get((str(job.id), token))
        if attempt is not None:
            attempt.cancel()

    def _worker_error(self, error: Exception, job: Job | None = None) -> None:
        if job is None:
            self._fetcher.log_throttle.failure(error)
        else:
            said = str(error) or type(error).__name__
            logger.warning("BullMQ reports on job %s: %s", job.id, said)

    @property
    def last_fetch(self) -> float:
        """When Redis last answered a fetch, on the monotonic clock in seconds."""
        return self._fetcher.last_fetch

    @property
    def refusal(self) -> str:
        """Redis's error that refuses to fetch a job; empty while there is none."""
        return self._fetcher.refusal

    @property
    def is_full(self) -> bool:
        """Whether no slot is free; an unfit machine has none."""
        is_unfit = self._application.fitness.lack() is not None
        return is_unfit or self._fetcher.job_count >= self._options.concurrency


def _log_stalled(job_id: str) -> None:
    logger.warning("⚠️  Stalled: %s", job_id)


def _ms(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
