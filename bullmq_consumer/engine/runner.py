"""Runs jobs: each delivery from its lock to the write of its end."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from bullmq_consumer.delivery import Delivery, delivery_of
from bullmq_consumer.engine.application import Application
from bullmq_consumer.engine.completer import Completer
from bullmq_consumer.engine.handle import LiveHandle
from bullmq_consumer.health.attempts import RunningAttempts, end_of
from bullmq_consumer.outcome import Done, Fail, FailLater, Outcome, Requeue, Retry
from bullmq_consumer.protocol.job import DeliveryKey, Job
from bullmq_consumer.safety.durable_writes import DurableWrites
from bullmq_consumer.safety.in_flight import InFlight
from bullmq_consumer.safety.leases import Lease, Leases
from bullmq_consumer.schedules.repeating import Scheduler
from bullmq_consumer.telemetry.spans import JobSpans

logger = logging.getLogger(__name__)

# A cancelled handler gets this long to unwind before its job is handed back without it.
_UNWIND_S = 0.8
_STOP = Requeue(timedelta(0), is_stop=True)


class Runner:
    """Of one worker, which is `stopping` once that is set. Made inside of a running event loop.

    One delivery of a job runs at a time: an older one here is ended before a newer one begins.
    `handle_of` makes what the application may ask of the queue for a job, under its lease.
    """

    def __init__(
        self,
        application: Application,
        completer: Completer,
        stopping: asyncio.Event,
        *,
        in_flight: InFlight,
        leases: Leases,
        writes: DurableWrites,
        scheduler: Scheduler,
        handle_of: Callable[[Job, Lease], LiveHandle],
        attempts: RunningAttempts,
        spans: JobSpans,
    ) -> None:
        self._application = application
        self._completer = completer
        self._stopping = stopping
        self._in_flight = in_flight
        self._leases = leases
        self._writes = writes
        self._scheduler = scheduler
        self._handle_of = handle_of
        self._attempts = attempts
        self._spans = spans
        self._is_grace_over = False
        self._running: dict[DeliveryKey, asyncio.Task[Done | Outcome]] = {}
        self._waits: set[asyncio.Future[None]] = set()  # for attempts, or for the end of the grace
        self._over: dict[str, asyncio.Event] = {}

    async def run_one(self, job: Job) -> Job | None:
        """Run a job, after an older delivery of it here has ended; returns the one it brought."""
        if not self._in_flight.begin(job.key):
            return None  # it went back meanwhile
        older, over = self._over.get(job.id), asyncio.Event()
        self._over[job.id] = over
        try:
            with self._leases.held(job.key, job.locked_at, lambda: self._on_loss(job)) as lease:
                if older is not None:
                    await self._end_older(job, lease, older)
                return await self._run_held(job, lease)
        finally:
            self._in_flight.end(job.key)
            over.set()
            if self._over.get(job.id) is over:
                del self._over[job.id]

    async def finish(self, grace: timedelta) -> None:
        """Give running jobs `grace` to end by themselves, cancel those that remain."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=grace.total_seconds())
        self._is_grace_over = True
        for wait in self._waits:
            _end(wait)
        if self._running:
            await asyncio.wait(self._running.values(), timeout=2 * _UNWIND_S)

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
        if job.deferred_failure is None:
            await self._completer.hide_failure(job)
        if lease.is_lost:
            return None
        if job.deferred_failure is not None:
            return await self._fail_deferred(job, lease, job.deferred_failure)
        if self._stopping.is_set():
            return await self._completer.hand_back(job, _STOP)
        return await self._process(job, lease)

    async def _process(self, job: Job, lease: Lease) -> Job | None:
        """One attempt: run it, keep its checkpoint, write its end."""
        delivery, handle = delivery_of(job), self._handle_of(job, lease)
        work = self._application.run(delivery, handle, self._stopping)
        try:
            outcome = await self._attempt(delivery, handle, job, work)
            if not isinstance(outcome, Done):
                await self._completer.keep_checkpoint(handle)
            if lease.is_lost:
                return None  # whoever holds the lock now decides about the job
            handle.events.end()
        finally:
            handle.events.drop()

        async def prepare(reason: str) -> Done | Outcome | None:
            failing = self._application.on_failed(delivery, handle, reason)
            prepared = await self._run(failing, job, delivery)
            return None if lease.is_lost else prepared

        return await self._completer.complete(outcome, job, prepare)

    async def _fail_deferred(self, job: Job, lease: Lease, reason: str) -> Job | None:
        """Have the application prepare the end of a job that is only to fail, then fail it."""
        delivery, handle = delivery_of(job), self._handle_of(job, lease)
        work = self._application.on_failed(delivery, handle, reason)
        outcome = await self._attempt(delivery, handle, job, work)
        handle.events.drop()  # the hook of a job that failed has nothing to show
        if lease.is_lost:
            return None
        if isinstance(outcome, Requeue | FailLater):
            await self._completer.keep_checkpoint(handle)  # what the hook has done by now
            return await self._completer.hand_back(job, outcome)
        return await self._completer.fail(
            job, outcome if isinstance(outcome, Fail) else Fail(reason)
        )

    async def _attempt(
        self,
        delivery: Delivery,
        handle: LiveHandle,
        job: Job,
        work: Coroutine[Any, Any, Done | Outcome],
    ) -> Done | Outcome:
        with self._spans.attempt(job) as span, self._attempts.attempt(delivery, handle) as noted:
            outcome = await self._run(work, job, delivery)
            if not handle.fence.is_lost:
                noted.end = end_of(outcome)
                span.ended(outcome)
            return outcome

    async def _run(
        self, work: Coroutine[Any, Any, Done | Outcome], job: Job, delivery: Delivery
    ) -> Done | Outcome:
        """In a task that the end of the grace, and the loss of the lock, may cancel."""
        running = self._running[job.key] = asyncio.create_task(work, name=f"job {job.id}")
        try:
            return await self._outcome(running, delivery)
        finally:
            del self._running[job.key]

    async def _outcome(
        self, attempt: asyncio.Task[Done | Outcome], delivery: Delivery
    ) -> Done | Outcome:
        """Wait for the attempt, or until the worker stops and its grace has passed."""
        if not self._is_grace_over:
            await self._until_over(attempt)
        if not attempt.done():
            attempt.cancel()
            await asyncio.wait({attempt}, timeout=_UNWIND_S)
        if attempt.cancelled() and not self._is_grace_over:
            reason = "The attempt was cancelled from within"  # or its lock is lost: nothing counts
            return Fail(reason) if delivery.is_last_attempt else Retry(reason)
        if not attempt.done() or attempt.cancelled():
            return _STOP
        return attempt.result()

    async def _until_over(self, attempt: asyncio.Task[Done | Outcome]) -> None:
        """Until it has ended, or the grace has passed; asyncio's own `wait` costs several turns."""
        wait: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waits.add(wait)
        attempt.add_done_callback(lambda _: _end(wait))
        try:
            await wait
        finally:
            self._waits.discard(wait)

    def _on_loss(self, job: Job) -> None:
        """Stop the work on a job that another worker may have by now, or that was removed."""
        logger.error("Lost the lock of job %s: stopping, another worker goes on", job.id)
        attempt = self._running.get(job.key)
        if attempt is not None:
            attempt.cancel()


def _end(wait: asyncio.Future[None]) -> None:
    if not wait.done():
        wait.set_result(None)
