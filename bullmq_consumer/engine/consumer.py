"""A worker of one queue: puts the parts together, starts and stops them."""

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta

from redis.exceptions import RedisError

from bullmq_consumer.engine.application import Application
from bullmq_consumer.engine.completer import Completer
from bullmq_consumer.engine.fetching import Fetcher
from bullmq_consumer.engine.handle import LiveHandle
from bullmq_consumer.engine.queues import Queues
from bullmq_consumer.engine.runner import Runner
from bullmq_consumer.health.attempts import RunningAttempts
from bullmq_consumer.health.log_throttle import LogThrottle
from bullmq_consumer.options import Options
from bullmq_consumer.protocol.commands import Commands
from bullmq_consumer.protocol.decoder import Decoder
from bullmq_consumer.protocol.job import Job
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

# While Redis is unreachable an end can wait for it; the process ends all the same.
_CLOSE_S = 3
# By then Redis has seen that a connection was closed.
_HANG_UP_S = 0.1


class Consumer:
    """Runs the jobs of one queue until it is stopped. Created inside a running event loop.

    1. The `Fetcher` takes jobs; `Upkeep` renews their locks, and finds what other workers lost.
    2. The `Runner` gives each attempt to the `application`, as a task of its own.
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
        self._spans = JobSpans(tracer, options.queue.name, options.name)
        self._application = application
        self._stopping = asyncio.Event()
        self._scripts = scripts = QueueScripts(redis, options.queue, options.lock)
        self._queues = Queues(redis, options.queue)
        errors = LogThrottle("BullMQ reports")
        clock = RedisClock(redis)
        self._writes = DurableWrites(scripts, errors)
        self._in_flight = InFlight(scripts)
        self._commands = commands = Commands(redis, options.queue, options.taking, clock)
        # What the job sends before another command is to be done before it.
        for script in (scripts.progress, scripts.add_log):
            redis.keep_loaded(script)
        leases = Leases(scripts, self._writes, commands.extend, options.lock)
        self._orphans = Orphans(redis, scripts, self._in_flight)
        self._fetcher = Fetcher(
            self._run_one,
            commands=commands,
            scripts=scripts,
            waiting=connect_to_wait(options.redis, redis, options.client_name),
            clock=clock,
            decoder=Decoder(scripts, application.releases_id, options.max_started_attempts),
            in_flight=self._in_flight,
            orphans=self._orphans,
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
            self._orphans,
            self._stopping,
            hides_retries=application.hides_retries,
            unknown_backoff=options.unknown_backoff,
        )
        self._runner = Runner(
            application,
            self._completer,
            self._stopping,
            in_flight=self._in_flight,
            leases=leases,
            writes=self._writes,
            scheduler=Scheduler(commands, clock, application.schedule_broke),
            handle_of=self._handle_of,
            attempts=attempts or RunningAttempts(),
            spans=self._spans,
        )
        self._upkeep = Upkeep(
            commands,
            leases,
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
        password, and the error of the loop that takes jobs, if that ended by itself.
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
        4. The wait for jobs is ended, with it `loop`.
        5. Jobs whose answer was lost are looked for, and go back.
        6. Another worker is woken for what the marker of that wait stood for, if jobs are left.
        7. The connections are closed.

        False when a job could not be handed back, or an end not be written in time: Redis is
        unreachable, and what waits for it would keep the event loop from ending.
        """
        running, handed_back = self._in_flight.running, self._completer.handed_back
        if running:
            seconds = grace.total_seconds()
            logger.info("Stopping. Jobs that have up to %g s to end: %d", seconds, running)
        self._stopping.set()
        self._fetcher.stop()
        await self._runner.finish(grace)
        closing = asyncio.create_task(self._close(loop))
        _, pending = await asyncio.wait({closing, loop}, timeout=_CLOSE_S)
        if pending or not self._completer.is_all_handed_back:
            return False
        closing.result()
        await self.redis.aclose()
        if running:
            returned = self._completer.handed_back - handed_back
            ended = running - returned
            logger.info("Stopped. Jobs that ended: %d, that were handed back: %d", ended, returned)
        return True

    async def _close(self, loop: asyncio.Task[None]) -> None:
        await self._fetcher.until_idle()
        self._upkeep.stop()
        await self._fetcher.end_wait()
        await asyncio.wait({loop})
        self._orphans.stop()
        try:
            await self._orphans.hand_back()
            # The wait that was cancelled may have taken the marker of a job with it. Redis has to
            # see the end of that connection first, or the wait would take this marker too.
            await self._fetcher.hang_up()
            await asyncio.sleep(_HANG_UP_S)
            if await self._scripts.has_jobs_to_take():
                await self._scripts.wake()
        except (RedisError, OSError) as error:
            logger.warning("Could not look for jobs that are left: %s", error)
            self._completer.is_all_handed_back = False

    async def _run_one(self, job: Job) -> Job | None:
        return await self._runner.run_one(job)

    def _handle_of(self, job: Job, lease: Lease) -> LiveHandle:
        return LiveHandle(
            self._queues,
            job,
            lease,
            self._options.new_jobs,
            self._scripts,
            self._writes,
            self._commands,
            self._spans,
        )

    @property
    def last_fetch(self) -> float:
        """When Redis last answered a fetch, on the monotonic clock in seconds."""
        return self._fetcher.last_fetch

    @property
    def refusal(self) -> str:
        """Redis's error that refuses to fetch a job; empty while there is none."""
        return self._fetcher.refusal

    @property
    def last_fetch_at(self) -> datetime | None:
        """The same by the clock of this machine; None before the first answer."""
        if not self.last_fetch:
            return None
        return datetime.now(UTC) - timedelta(seconds=time.monotonic() - self.last_fetch)

    @property
    def running(self) -> int:
        """How many jobs run here."""
        return self._in_flight.running

    @property
    def is_drained(self) -> bool:
        """Whether no job runs here, and the queue has none that could be taken now."""
        return self._fetcher.is_drained

    @property
    def why_not(self) -> str:
        """Why no job can be taken, in one line; empty while some could."""
        if self._stopping.is_set():
            return "The worker stops"
        if not self.last_fetch:
            return f"Redis has not answered yet: {self._options.redis}"
        lack = self._application.fitness.lack()
        return self._fetcher.trouble or (f"This machine is unfit for jobs: {lack}" if lack else "")

    @property
    def is_full(self) -> bool:
        """Whether no slot is free; an unfit machine has none."""
        is_unfit = self._application.fitness.lack() is not None
        return is_unfit or self._in_flight.running >= self._options.concurrency
