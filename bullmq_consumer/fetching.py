"""Takes jobs: BullMQ's own worker, amended so that it loses nothing.

- A listener that raises ends neither the main loop nor the lock renewal.
- A lock that expired while Redis was unreachable is taken again, unless another worker has the job.
- An attempt's end is written once Redis is reachable again, even after a long outage.
- Before BullMQ fails a job by itself, since it stalled too often, the application is called.
- A job that is delivered again to the worker that still runs it is run once.
- A job that arrives while the worker stops is handed back at once, and so is one whose delivery
  was lost.
- A queue that is rate-limited is polled again when the limit has passed.
- A worker whose machine is unfit for jobs leaves them to others until it is fit again.
- An idle worker waits for jobs once, not once per free slot, and each wait is long.
- The script that ends a job fetches the next one.
- A job that must not look failed while an attempt is left leaves no `failedReason` before.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from bullmq import Job
from bullmq import Worker as LibraryWorker
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from bullmq_consumer.delivery import DeliveryKey
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.health.log_throttle import LogThrottle
from bullmq_consumer.safety.attempt_ends import amend_ends
from bullmq_consumer.safety.durable_writes import DurableWrites
from bullmq_consumer.safety.in_flight import InFlight
from bullmq_consumer.safety.leases import Lease, Leases
from bullmq_consumer.safety.orphans import Orphans
from bullmq_consumer.sanitize.fields import corrupt_fields, sanitized, unreadable
from bullmq_consumer.sanitize.text import one_line
from bullmq_consumer.schedules.repeating import Repeating
from bullmq_consumer.scripts.library_scripts import amend
from bullmq_consumer.scripts.queue_scripts import QueueScripts

logger = logging.getLogger(__name__)

# A stalled check whose response took longer than this outlasted an outage of Redis.
_PROMPT_S = 5
# The pause after a command that Redis refused.
_PAUSE_S = 1.0


class Fetcher(LibraryWorker):
    """The library's worker, over one queue.

    By a job's name `releases_id` returns whether finished ones are removed at once, `hides_retries`
    whether those with an attempt left must not look failed. `fail_deferred` prepares the end of a
    job that is to fail; False means that it went back to the queue.
    `waiting_client` is the one for the wait for jobs, which sets the worker's name itself.
    `last_fetch` is when Redis last answered a fetch, in seconds on the monotonic clock, be it with
    an error; `refusal` is the error that the last one met, empty when it met none.
    """

    def __init__(
        self,
        queue: str,
        process: Callable[[Job, str], Awaitable[Any]],
        options: dict[str, Any],
        *,
        scripts: QueueScripts,
        waiting_client: Redis,
        releases_id: Callable[[str], bool],
        hides_retries: Callable[[str], bool],
        fail_deferred: Callable[[Job, str], Awaitable[bool]],
        fitness: Fitness,
    ) -> None:
        super().__init__(queue, process, options)
        amend(self.redisConnection)
        self.blockingRedisConnection.conn = self.bclient = waiting_client
        # Otherwise the library would name every connection of the worker's client.
        self._client_name_set = True
        self.last_fetch = 0.0
        self.refusal = ""
        self.log_throttle = LogThrottle("BullMQ reports")
        self.writes = DurableWrites(scripts, self.log_throttle)
        self._own_scripts = scripts
        self._repeating = Repeating(self)
        self._releases_id = releases_id
        self._hides_retries = hides_retries
        self._fail_deferred = fail_deferred
        self._delivery_over: dict[str, asyncio.Event] = {}
        self._in_flight = InFlight(scripts)
        self.orphans = Orphans(options["connection"], scripts, self.id, self._in_flight)
        self._redis_was_away = False
        self._fitness = fitness
        self._ending = asyncio.Event()
        self._asking = asyncio.Lock()
        self._next: dict[DeliveryKey, Job] = {}
        self.leases = Leases(scripts, self.writes, self.backend.extendLocks, scripts.lock)
        self.backend.extendLocks = self.leases.renew
        amend_ends(self.backend, self.writes, self._is_hidden)
        self.backend.moveToCompleted = self._fetching_next(self.backend.moveToCompleted)

    def emit(self, event_name: str, *args: Any, **kwargs: Any) -> None:
        """Call the listeners; one that raises would end the main loop or the lock renewal."""
        for listener in list(self._callbacks.get(event_name, ())):
            try:
                listener(*args, **kwargs)
            except Exception:
                logger.exception("A listener of '%s' failed", event_name)

    @property
    def job_count(self) -> int:
        """How many jobs this worker has: running, or being ended."""
        return self._in_flight.running

    async def stop_taking(self) -> None:
        """Take no more jobs; prefetched ones that have not started are handed back."""
        self._ending.set()
        # close() would end lock renewal while jobs still run; pause() does not.
        await self.pause(do_not_wait_active=True)
        # The main loop sleeps while paused: at close() it would start them, and not wait.
        self._in_flight.hand_back_all()

    async def hang_up(self) -> None:
        """End the wait for jobs, if it still lasts, and close its connection."""
        if self.waiting is not None:
            self.waiting.cancel()
        await self.bclient.connection_pool.disconnect()

    async def until_idle(self) -> None:
        """Wait until no job is left here."""
        while self._delivery_over:
            await next(iter(self._delivery_over.values())).wait()
        await self._in_flight.until_returned()

    # -- taking jobs ------------------------------------------------------------------------

    async def getNextJob(self, token: str) -> Job | None:
        """Fetch one job at a time: while one free slot waits for a job, so do the others."""
        async with self._asking:
            if self._fitness.lack() is not None:
                # This worker may have consumed the marker of a job: another one is woken for it.
                await self._answered(self._own_scripts.wake())
                await self._fitness.until_fit(self._ending)
            if self.paused or self.closing:
                return None
            return await super().getNextJob(token)

    async def moveToActive(self, token: str) -> Job | None:
        """Also record that Redis answered, and hand back a job that arrives while stopping."""
        if self._fitness.lack() is not None:
            return None
        asked_at = time.monotonic()
        with self.orphans.tracked(token):
            try:
                job = await self._answered(super().moveToActive(token))
            except ResponseError as error:
                self.refusal = one_line(str(error)) or type(error).__name__
                raise
        self.refusal = ""
        self.log_throttle.recovered()
        return await self._taken(job, token, asked_at)

    async def _taken(self, job: Job | None, token: str, asked_at: float) -> Job | None:
        if job is None:
            return None
        key = str(job.id), token
        if self.paused or self.closing:
            await self._in_flight.hand_back(key)
            return None
        self._in_flight.add(key)
        job.locked_at = asked_at  # pyright: ignore
        return job

    def _fetching_next(self, complete: Callable[..., Awaitable[Any]]) -> Any:
        """The library's script, made to fetch the next job."""

        async def and_fetch(job: Job, value: Any, remove: Any, token: str, **_: Any) -> Any:
            asked_at = time.monotonic()
            wants_more = not (self.paused or self.closing or self._fitness.lack())
            found: Job | None = None
            with self.orphans.tracked(token):
                answer = await complete(job, value, remove, token, fetch_next=wants_more)
                self.last_fetch = time.monotonic()
                if wants_more and not answer["finishedOn"]:
                    self.orphans.sweep_soon()  # it was written, and its answer brought the next job
                if wants_more and answer["result"]:
                    fields, job_id, limit_until, delay_until = answer["result"]
                    found = await self.nextJobFromJobData(
                        fields, job_id, limit_until or 0, delay_until or 0, token
                    )
            following = await self._taken(found, token, asked_at)
            if following is not None:
                self._next[str(job.id), token] = following
            return answer

        return and_fetch

    async def waitForJob(self) -> int:
        """Also record that Redis answered."""
        return await self._answered(super().waitForJob())

    def getBlockTimeout(self, block_until: int) -> float:
        """Seconds to wait for a job. No marker is set when a rate limit has passed."""
        timeout = super().getBlockTimeout(block_until)
        if self.limitUntil > 0:
            return min(timeout, max(self.minimumBlockTimeout, self.limitUntil / 1000))
        return timeout

    @property
    def maximumBlockTimeout(self) -> float:
        """Seconds to wait for a delayed job in the far future: as long as for any other."""
        return self.opts["drainDelay"]

    async def nextJobFromJobData(
        self, job_data: dict[str, str] | None = None, *args: Any, **kwargs: Any
    ) -> Job | None:
        """Also read our own fields, and sanitise what would strand the job later."""
        fields, fault = sanitized(job_data) if job_data else (job_data, None)
        if bad := corrupt_fields(job_data or {}):
            await self._own_scripts.forget(args[0], *bad)
        try:
            job = await super().nextJobFromJobData(fields, *args, **kwargs)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            # It is active already, and would otherwise stay so until it counts as stalled.
            logger.error("A job cannot be decoded and will fail: %s", type(error).__name__)
            fields, fault = unreadable(job_data or {})
            job = await super().nextJobFromJobData(fields, *args, **kwargs)
        if job is not None and job_data is not None:
            job.own_fields = job_data  # pyright: ignore
            job.fault = fault  # pyright: ignore
            if self._releases_id(job.name):
                # Set here, it applies also to stalled jobs that the library fails by itself. Not to
                # failed jobs with a parent: the parent would continue as if it had no such child,
                # where Node's waits until that is retried.
                job.opts |= {"removeOnComplete": True}
                job.opts |= {} if job.parentKey else {"removeOnFail": True}
        return job

    async def _scheduleNextIteration(self, job: Job) -> None:
        await self._repeating.add_next(job)

    async def _answered(self, question: Awaitable[Any]) -> Any:
        try:
            answer = await question
        except ResponseError as error:
            self.last_fetch = time.monotonic()
            if "is not an integer" in str(error):
                # The script took a job, then failed on a counter that is no integer.
                self.orphans.sweep_soon()
            # Fetch again soon: the marker of a job may be consumed.
            self.drained = False
            # The library retries at once, for each free slot: Redis may bill every command.
            await asyncio.sleep(_PAUSE_S)
            raise
        self.last_fetch = time.monotonic()
        return answer

    # -- one job ----------------------------------------------------------------------------

    def hold(
        self, job: Job, token: str, on_loss: Callable[[], None]
    ) -> AbstractContextManager[Lease]:
        """The lease on a job that was taken, renewed meanwhile."""
        locked_at: float = getattr(job, "locked_at", time.monotonic())
        return self.leases.held((str(job.id), token), locked_at, on_loss)

    async def processJob(self, job: Job, token: str) -> None:
        """Run the job, and each next one that the end of the previous fetched."""
        following: Job | None = job
        while following is not None:
            following = await self._process_one(following, token)

    async def _process_one(self, job: Job, token: str) -> Job | None:
        """Run the job, after an older delivery of it here has ended; returns the next one."""
        job_id = str(job.id)
        if not self._in_flight.begin((job_id, token)):
            return None
        older, over = self._delivery_over.get(job_id), asyncio.Event()
        self._delivery_over[job_id] = over
        try:
            self.lockManager.track_job(job_id, token, _now_ms())
            if older is not None:
                await self._end_older(job, older)
                # The older one's end made the library forget the id.
                self.lockManager.track_job(job_id, token, _now_ms())
            if not job.deferredFailure or await self._fail_deferred(job, token):
                await super().processJob(job, token)
            following = self._next.pop((job_id, token), None)
            if following is not None:
                self.emit("active", following, "waiting")
            return following
        finally:
            self._in_flight.end((job_id, token))
            over.set()
            if self._delivery_over.get(job_id) is over:
                del self._delivery_over[job_id]
                self.lockManager.untrack_job(job_id)

    async def _end_older(self, job: Job, older: asyncio.Event) -> None:
        """End the running delivery; its unsaved checkpoint passes to the newer one."""
        leases = self.leases.of({str(job.id)})
        for lease in leases:
            lease.lose()
        await older.wait()
        for lease in leases:
            if lease.refused_checkpoint is not None:
                job.own_fields["checkpoint"] = lease.refused_checkpoint  # pyright: ignore

    # -- locks ------------------------------------------------------------------------------

    async def runStalledJobsCheck(self) -> None:
        """Check for stalled jobs, after our own locks were renewed; not right after an outage.

        Locks expired while Redis was unreachable, and their holders are about to take them again.
        """
        if self._redis_was_away:
            self._redis_was_away = False
            return
        try:
            async with asyncio.timeout(_PROMPT_S):
                await self._renew_all()
                await super().runStalledJobsCheck()
        except TimeoutError:
            self._redis_was_away = True
        except (RedisError, OSError) as error:
            self.emit("error", error)

    async def _renew_all(self) -> None:
        held = {job_id: one["token"] for job_id, one in self.lockManager.tracked_jobs.items()}
        if held:
            ids, tokens = [*held], [*held.values()]
            lost = await self.leases.renew(ids, tokens, self.opts["lockDuration"])
            if lost:
                self.emit("lockRenewalFailed", lost)

    # -- the end of an attempt --------------------------------------------------------------

    def _is_hidden(self, job_id: str) -> bool:
        running = (job for job, _ in self.jobs if job.id == job_id)
        return any(self._hides_retries(job.name) for job in running)


def _now_ms() -> int:
    return round(time.time() * 1000)
