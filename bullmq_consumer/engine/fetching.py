"""Takes jobs from the queue, as many at a time as there are places."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.health.log_throttle import LogThrottle
from bullmq_consumer.protocol.answers import Taken
from bullmq_consumer.protocol.commands import Commands
from bullmq_consumer.protocol.decoder import Decoder
from bullmq_consumer.protocol.job import Job
from bullmq_consumer.redis.clock import RedisClock
from bullmq_consumer.safety.held_off import HeldOff
from bullmq_consumer.safety.in_flight import InFlight
from bullmq_consumer.safety.orphans import Orphans
from bullmq_consumer.sanitize.text import one_line
from bullmq_consumer.scripts.queue_scripts import QueueScripts

logger = logging.getLogger(__name__)

# After an answer that Redis refused, or none.
_PAUSE_S = 1.0
# The least that a wait for a marker may last: before 7.0.8 Redis takes one millisecond for none,
# and waits for ever.
_SHORTEST_WAIT_S = 0.002
# redis-py forgets that it was cancelled where that meets it amid a connect, and goes on to wait.
_CANCELS, _CANCEL_S = 10, 0.05


class Fetcher:
    """The loop of one worker, in which each turn brings one job at most:

    1. wait for a free place, until the machine is fit for jobs, and until a rate limit that a job
       here has set is over;
    2. if the queue was empty, wait for the marker by which BullMQ wakes one worker;
    3. take a job, or learn when the next one is due;
    4. have it run beside the loop, and each job that the end of the one before it brings.

    `run_one` runs a job to its end, and returns the job that this brought. `waiting` is the client
    for the wait of up to `block_s` seconds. `last_fetch` is when Redis last answered, in seconds on
    the monotonic clock, be it with an error; `refusal` is the error that Redis answered the last
    fetch with, `trouble` that or another one that it met, empty when it met none.
    """

    def __init__(
        self,
        run_one: Callable[[Job], Awaitable[Job | None]],
        *,
        commands: Commands,
        scripts: QueueScripts,
        waiting: Redis,
        clock: RedisClock,
        decoder: Decoder,
        in_flight: InFlight,
        orphans: Orphans,
        fitness: Fitness,
        errors: LogThrottle,
        concurrency: int,
        block_s: float,
    ) -> None:
        self.last_fetch = 0.0
        self.refusal = self.trouble = ""
        self._orphans = orphans
        self._run_one = run_one
        self._commands = commands
        self._scripts = scripts
        self._waiting = waiting
        self._marker = scripts.key("marker")
        self._clock = clock
        self._decoder = decoder
        self._in_flight = in_flight
        self._fitness = fitness
        self._errors = errors
        self._block_s = block_s
        self._places = asyncio.Semaphore(concurrency)
        self._stopping = asyncio.Event()
        self._wait: asyncio.Task[int] | None = None
        self._runs: set[asyncio.Task[None]] = set()
        self._takes = 0
        self._is_drained = self._has_news = False
        self._due_ms = 0
        self._limit_until = 0.0
        self._held_off = HeldOff(commands)

    async def run(self) -> None:
        """Take jobs until `stop`."""
        while not self._stopping.is_set():
            await self._places.acquire()
            job = await self._next()
            if job is None:
                self._places.release()
            else:
                self._start(job)

    def stop(self) -> None:
        """Take no more jobs; what has arrived and is not begun goes back."""
        self._stopping.set()
        if self._wait is not None:
            self._wait.cancel()
        self._in_flight.hand_back_all()

    async def until_idle(self) -> None:
        """Wait until no job is left here."""
        if self._runs:
            await asyncio.wait(self._runs)
        await self._in_flight.until_returned()

    async def end_wait(self) -> None:
        """End the wait for jobs, should it go on all the same."""
        for _ in range(_CANCELS):
            if self._wait is None:
                break
            self._wait.cancel()
            await asyncio.wait({self._wait}, timeout=_CANCEL_S)

    async def hang_up(self) -> None:
        """Close the connection of the wait for jobs."""
        await self._waiting.connection_pool.disconnect()

    @property
    def is_drained(self) -> bool:
        """Whether no job runs here, and the queue has none that could be taken now."""
        if self._runs:
            return False
        return bool(self._held_off) or (self._is_drained and not self._has_news)

    def expect_more(self) -> None:
        """A job went back to the queue, and could be taken at once."""
        self._has_news = True

    @property
    def wants_more(self) -> bool:
        """Whether the end of a job may bring another one."""
        is_fit = self._fitness.lack() is None
        return is_fit and not self._held_off and not self._stopping.is_set()

    def hold_off(self, duration_ms: int) -> None:
        """Take no job for so long: one that ran here has limited the queue's rate."""
        self._held_off.begin(duration_ms)

    async def receive(self, taken: Taken, token: str, sent_at: float) -> Job | None:
        """Note what a script brought that was sent at `sent_at`; a job is for who called to run.

        One that arrives while the worker stops goes back. Raises RedisError, OSError.
        """
        self.last_fetch = time.monotonic()
        self._limit_until = self.last_fetch + taken.limit_ms / 1000 if taken.limit_ms else 0.0
        self._is_drained, self._has_news = taken.fields is None, False
        self._due_ms = taken.next_due_ms
        if taken.fields is None:
            return None
        key = taken.job_id, token
        self._in_flight.add(key)
        try:
            job = await self._decoder.read(taken.fields, taken.job_id, token, sent_at)
        except BaseException:
            self._in_flight.discard(key)
            self._orphans.sweep_soon()
            raise
        if self._stopping.is_set():
            if self._in_flight.discard(key):
                await self._in_flight.hand_back(key)
            return None
        return job

    # -- one turn ---------------------------------------------------------------------------

    async def _next(self) -> Job | None:
        try:
            await self._until_fit()
            await self._until_unlimited()
            if self._stopping.is_set() or not await self._is_due():
                return None
            return await self._take()
        except (RedisError, OSError) as error:
            self._refused(error)
        except Exception:  # a defect, ours or of the Redis library: the next turn may do better
            if not self._stopping.is_set():
                logger.exception("A turn of the loop that takes jobs broke off")
        await self._pause()
        return None

    async def _until_fit(self) -> None:
        """While the machine lacks something, leave jobs to others."""
        if self._fitness.lack() is not None:
            # The marker of a job that another worker may take was perhaps met by this one.
            await self._scripts.wake()
            await self._fitness.until_fit(self._stopping)

    async def _until_unlimited(self) -> None:
        """While a limit holds this worker off, leave jobs to those that have none."""
        while self._held_off and not self._stopping.is_set():
            await self._scripts.wake()  # for the same reason
            await self._held_off.look(self._stopping)
            self.last_fetch = time.monotonic()
            self._is_drained = False

    async def _is_due(self) -> bool:
        """Wait for a job, if the queue had none; False when it is too soon to take one."""
        if not self._is_drained:
            return True
        self._wait = asyncio.create_task(self._wait_for_marker())
        try:
            self._due_ms = await self._wait
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise
            return False
        finally:
            self._wait = None
        self.last_fetch = time.monotonic()
        self._has_news = self._due_ms <= self._clock.now_ms()
        return self._has_news

    async def _wait_for_marker(self) -> int:
        """When the next job is due, in ms since the epoch; 0 for now, or when none came."""
        found = cast(
            "tuple[str, str, float] | None",
            await self._waiting.bzpopmin(self._marker, self._wait_s()),
        )
        return int(found[2]) if found else 0

    def _wait_s(self) -> float:
        """Until a delayed job is due or a limit has passed. No marker comes for the latter."""
        ends = [self._block_s]
        if self._due_ms:
            ends.append((self._due_ms - self._clock.now_ms()) / 1000)
        if self._limit_until:
            ends.append(self._limit_until - time.monotonic())
        return max(min(ends), _SHORTEST_WAIT_S)

    async def _take(self) -> Job | None:
        if not self.wants_more:
            self._is_drained = False  # a marker that was met stands for a job yet
            return None
        self._takes += 1
        token, sent_at = self._orphans.token(self._takes), time.monotonic()
        with self._orphans.tracked(token):
            try:
                taken = await self._commands.take(token)
            except ResponseError as error:
                self.refusal = one_line(str(error)) or type(error).__name__
                raise
        self.refusal = self.trouble = ""
        self._errors.recovered()
        return await self.receive(taken, token, sent_at)

    def _refused(self, error: RedisError | OSError) -> None:
        # Fetch again soon: the marker that stood for a job may be used up.
        self._is_drained = False
        self._errors.failure(error)
        self.trouble = one_line(str(error)) or type(error).__name__
        if isinstance(error, ResponseError):
            self.last_fetch = time.monotonic()
            if "is not an integer" in str(error):
                # The script took a job, then failed on a counter that is no integer.
                self._orphans.sweep_soon()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PAUSE_S):
                await self._stopping.wait()

    # -- the runs ---------------------------------------------------------------------------

    def _start(self, job: Job) -> None:
        run = asyncio.create_task(self._run_chain(job), name=f"delivery {job.id}")
        self._runs.add(run)
        run.add_done_callback(self._ended)

    async def _run_chain(self, job: Job) -> None:
        following: Job | None = job
        while following is not None:
            following = await self._run_one(following)

    def _ended(self, run: asyncio.Task[None]) -> None:
        self._runs.discard(run)
        self._places.release()
        if not run.cancelled() and (error := run.exception()) is not None:
            # Its lock runs out, and the stalled check of any worker brings the job back.
            logger.error("A delivery broke off: a defect of the worker", exc_info=error)
