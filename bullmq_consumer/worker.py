"""Runs the jobs of one queue: puts the parts together, starts and stops them, runs attempts."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from bullmq import Queue
from redis.exceptions import RedisError

from bullmq_consumer.application import Application
from bullmq_consumer.completer import Completer
from bullmq_consumer.delivery import Delivery, delivery_of
from bullmq_consumer.fetching import Fetcher
from bullmq_consumer.handle import LiveHandle
from bullmq_consumer.health.attempts import RunningAttempts, end_of
from bullmq_consumer.health.log_throttle import LogThrottle
from bullmq_consumer.options import Options
from bullmq_consumer.outcome import Done, Fail, FailLater, Outcome, Requeue
from bullmq_consumer.protocol.commands import Commands
from bullmq_consumer.protocol.decoder import Decoder
from bullmq_consumer.protocol.job import DeliveryKey, Job
from bullmq_consumer.redis.clients import BLOCK_S, connect, connect_to_wait
from bullmq_consumer.redis.clock import RedisClock
from bullmq_consumer.redis.startup import AT_ONCE_S, until_redis_answers
from bullmq_consumer.safety.durable_writes import DurableWrites
from bullmq_consumer.safety.in_flight import InFlight
from bullmq_consumer.safety.leases import Lease, Leases
from bullmq_consumer.safety.orphans import Orphans
from bullmq_consumer.safety.upkeep import Upkeep
from bullmq_consumer.schedules.repeating import Scheduler
from bullmq_consumer.scripts.queue_scripts import QueueScripts
from bullmq_consumer.telemetry.spans import JobSpans
from bullmq_consumer.telemetry.tracer import NO_TRACER, Tracer

logger = logging.getLogger(__name__)

# A cancelled handler gets this long to unwind before its job is handed back without it.
_UNWIND_S = 0.8
# While Redis is unreachable an end can wait for it; the process ends all the same.
_CLOSE_S = 3
# By then Redis has seen that a connection was closed.
_HANG_UP_S = 0.1


class Worker:
    """Runs the jobs of one queue until it is stopped. Created inside a running event loop.

    1. The `Fetcher` takes jobs; `Upkeep` renews their locks, and finds what other workers lost.
    2. Each attempt is a task of its own, given to the `application`.
    3. The `Completer` writes its outcome to the queue, which may bring the next job.
    4. What does not end within the grace of a stop is cancelled and goes back to the queue.

    `redis` is its client for all commands except the wait for jobs. `attempts` counts running jobs,
    `tracer` makes spans of them.
    """

    def __init__(
        self,
        options: Options,
        application: Application,
        attempts: RunningAttempts | None = None,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self.redis = redis = connect(options.redis)
        self._options = options
        self._attempts = attempts or RunningAttempts()
        self._spans = JobSpans(tracer, options.queue.name, options.name)
        self._application = application
        self._stopping = asyncio.Event()
        self._grace_over = asyncio.get_running_loop().create_future()
        self._running: dict[DeliveryKey, asyncio.Task[Done | Outcome]] = {}
        self._over: dict[str, asyncio.Event] = {}
        self._scripts = scripts = QueueScripts(redis, options.queue, options.lock)
        redis.keep_loaded(scripts.progress)
        self._queue = Queue(
            options.queue.name, {"connection": redis, "prefix": options.queue.prefix}
        )
        errors = LogThrottle("BullMQ reports")
        clock = RedisClock(redis)
        self._writes = DurableWrites(scripts, errors)
        self._in_flight = InFlight(scripts)
        self._commands = commands = Commands(redis, options.queue, options.taking, clock)
        self._leases = Leases(scripts, self._writes, commands.extend, options.lock)
        self._scheduler = Scheduler(commands, clock, application.schedule_broke)
        self._fetcher = Fetcher(
            self._run_one,
            commands=commands,
            scripts=scripts,
            waiting=connect_to_wait(options.redis, redis, options.client_name),
            clock=clock,
            decoder=Decoder(scripts, application.releases_id),
            in_flight=self._in_flight,
            orphans=Orphans(redis, scripts, self._in_flight),
            fitness=application.fitness,
            errors=errors,
            concurrency=options.concurrency,
            block_s=BLOCK_S,
        )
        self._completer = Completer(
            commands,
            scripts,
            self._writes,
            self._fetcher,
            self._stopping,
            hides_retries=application.hides_retries,
            unknown_backoff=options.unknown_backoff,
        )
        self._upkeep = Upkeep(
            commands,
            self._leases,
            self._in_flight,
            clock,
            errors,
            lock=options.lock,
            stalled_every=options.stalled_every,
            max_stalled=options.max_stalled,
        )

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
        """Begin to take jobs. The task ends when `stop` is done.

        After an outage not with a stalled check: the locks that ran out meanwhile are about to be
        taken again.
        """
        await self._upkeep.start(after_outage=after_outage)
        return asyncio.create_task(self._fetcher.run(), name="consumer")

    async def stop(self, loop: asyncio.Task[None], grace: timedelta) -> bool:
        """Stop in this order; `loop` is what `start` returned.

        1. No more jobs are taken; what was prefetched goes back.
        2. Running jobs have `grace` to end by themselves.
        3. What still runs is cancelled, has 0.8 s to unwind, and goes back, no attempt burnt.
        4. Jobs whose answer was lost are looked for, and go back.
        5. The wait for jobs is ended, and another worker woken for what its marker stood for.
        6. The connections are closed.

        False when a job could not be handed back, or an end not be written in time: Redis is
        unreachable, and what waits for it would keep the event loop from ending.
        """
        self._stopping.set()
        self._fetcher.stop()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=grace.total_seconds())
        if not self._grace_over.done():
            self._grace_over.set_result(None)
        if self._running:
            await asyncio.wait(self._running.values(), timeout=2 * _UNWIND_S)
        closing = asyncio.create_task(self._close(loop))
        _, pending = await asyncio.wait({closing, loop}, timeout=_CLOSE_S)
        if pending or not self._completer.is_all_handed_back:
            return False
        closing.result()
        await self.redis.aclose()
        return True

    async def _close(self, loop: asyncio.Task[None]) -> None:
        await self._fetcher.until_idle()
        self._upkeep.stop()
        await self._fetcher.end_wait()
        await asyncio.wait({loop})
        orphans = self._fetcher.orphans
        orphans.stop()
        try:
            await orphans.hand_back()
            # The wait that was cancelled may have taken the marker of a job with it. Redis has to
            # see the end of that connection first, or the wait would take this marker too.
            await self._fetcher.hang_up()
            await asyncio.sleep(_HANG_UP_S)
            if await self._scripts.has_jobs_to_take():
                await self._scripts.wake()
        except (RedisError, OSError) as error:
            logger.warning("Could not look for jobs that are left: %s", error)
            self._completer.is_all_handed_back = False

    # -- one job ----------------------------------------------------------------------------

    async def _run_one(self, job: Job) -> Job | None:
        """Run a job, after an older delivery of it here has ended; returns the one it brought."""
        if not self._in_flight.begin(job.key):
            return None  # it went back meanwhile
        older, over = self._over.get(job.id), asyncio.Event()
        self._over[job.id] = over
        try:
            with self._hold(job) as lease:
                if older is not None:
                    await self._end_older(job, lease, older)
                return await self._run_held(job, lease)
        finally:
            self._in_flight.end(job.key)
            over.set()
            if self._over.get(job.id) is over:
                del self._over[job.id]

    async def _end_older(self, job: Job, newer: Lease, older: asyncio.Event) -> None:
        """End the delivery that runs; what it could still pay for is in the newer's checkpoint."""
        leases = [lease for lease in self._leases.of(job.id) if lease is not newer]
        for lease in leases:
            lease.lose()
        await older.wait()
        for lease in leases:
            if lease.refused_checkpoint is not None:
                job.fields["checkpoint"] = lease.refused_checkpoint

    async def _run_held(self, job: Job, lease: Lease) -> Job | None:
        """Prepare an attempt, and run it unless its lock is lost by then, or the worker stops."""
        await self._writes.until_acknowledged(lambda: self._scheduler.add_next(job))
        await self._completer.hide_failure(job)
        if lease.is_lost:
            return None
        if job.deferred_failure is not None:
            return await self._fail_deferred(job, lease, job.deferred_failure)
        if self._stopping.is_set():
            await self._completer.hand_back(job, Requeue(timedelta(0)))
            return None
        return await self._process(job, lease)

    async def _process(self, job: Job, lease: Lease) -> Job | None:
        """One attempt: run it, keep its checkpoint, write its end."""
        delivery, handle = delivery_of(job), self._handle(job, lease)
        work = self._application.run(delivery, handle, self._stopping)
        try:
            outcome = await self._attempt(delivery, handle, job, work)
            if not isinstance(outcome, Done):
                await self._completer.keep_checkpoint(handle)
            if lease.is_lost:
                return None  # whoever holds the lock now decides about the job
            await handle.events.end()
        finally:
            handle.events.drop()
        return await self._completer.complete(outcome, job)

    async def _fail_deferred(self, job: Job, lease: Lease, reason: str) -> Job | None:
        """Have the application prepare the end of a job that is only to fail, then fail it."""
        delivery, handle = delivery_of(job), self._handle(job, lease)
        work = self._application.on_failed(delivery, handle, reason)
        outcome = await self._attempt(delivery, handle, job, work)
        handle.events.drop()  # the hook of a job that failed has nothing to show
        if lease.is_lost:
            return None
        if isinstance(outcome, Requeue | FailLater):
            await self._completer.hand_back(job, outcome)
            return None
        return await self._completer.fail(job, Fail(reason))

    async def _attempt(
        self,
        delivery: Delivery,
        handle: LiveHandle,
        job: Job,
        work: Coroutine[Any, Any, Done | Outcome],
    ) -> Done | Outcome:
        with self._spans.attempt(job) as span, self._attempts.attempt(delivery, handle) as noted:
            self._running[job.key] = asyncio.create_task(work, name=f"job {job.id}")
            try:
                outcome = await self._outcome(self._running[job.key])
            finally:
                del self._running[job.key]
            if not handle.fence.is_lost:
                noted.end = end_of(None if isinstance(outcome, Done) else outcome)
                span.ended(outcome)
            return outcome

    async def _outcome(self, attempt: asyncio.Task[Done | Outcome]) -> Done | Outcome:
        """Wait for the attempt, or until the worker stops and its grace has passed."""
        await asyncio.wait({attempt, self._grace_over}, return_when=asyncio.FIRST_COMPLETED)
        if not attempt.done():
            attempt.cancel()
            await asyncio.wait({attempt}, timeout=_UNWIND_S)
        if not attempt.done() or attempt.cancelled():
            return Requeue(timedelta(0))
        return attempt.result()

    def _hold(self, job: Job) -> AbstractContextManager[Lease]:
        return self._leases.held(job.key, job.locked_at, lambda: self._on_lock_lost(job))

    def _handle(self, job: Job, lease: Lease) -> LiveHandle:
        return LiveHandle(
            self._queue,
            job,
            lease,
            self._options.new_jobs,
            self._scripts,
            self._writes,
            self._commands,
            self._spans,
        )

    def _on_lock_lost(self, job: Job) -> None:
        """Stop the work on a job that another worker may have by now, or that was removed."""
        logger.error("Lost the lock of job %s: stopping, another worker goes on", job.id)
        attempt = self._running.get(job.key)
        if attempt is not None:
            attempt.cancel()

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
        return is_unfit or self._in_flight.running >= self._options.concurrency
