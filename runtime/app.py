"""The worker's life cycle: from settings to exit code."""

import asyncio
import importlib
import os
import time
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, NoReturn

from loguru import logger
from redis.asyncio import Redis

from bullmq_consumer.engine.adding import Adder
from bullmq_consumer.engine.consumer import Consumer
from bullmq_consumer.health.attempts import RunningAttempts
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.health.liveness import until_starved
from bullmq_consumer.health.loop_watch import LoopWatch
from bullmq_consumer.health.status import Phase, WorkerStatus
from bullmq_consumer.inspect.states import QueueState
from bullmq_consumer.process.pm2 import notify_ready
from bullmq_consumer.process.signals import stop_on_signal
from bullmq_consumer.redis import clients as redis_client
from bullmq_consumer.redis.startup import AT_ONCE_S, until_redis_answers
from bullmq_consumer.telemetry.tracer import NO_TRACER, Tracer
from config.consumer import UNCHECKED, job_defaults_of, options_of, queue_of, redis_of
from config.logging.setup import drain_logs
from config.settings import Settings, image_key_variables
from core.alert import Alert
from core.jobs.registry import discover
from core.meter import meter
from runtime.alerts.alerts import Alerts, open_alerts
from runtime.attempts import Attempts
from runtime.http.listening import CannotListen, served
from runtime.tracing.tracing import traced
from runtime.unknown_codes import keep_unknown_codes
from runtime.work_folders import WorkFolder, remove_abandoned
from services.bundle import Services

EXIT_OK = 0
EXIT_STARTUP_FAILED = 1
EXIT_STUCK = 70  # EX_SOFTWARE: the supervisor starts a new worker
EXIT_UNCLEAN = 75  # EX_TEMPFAIL: Redis was unreachable, the stalled check returns the jobs

# A restart of Redis takes less; a longer outage is alerted.
_REDIS_ALERT_AFTER_S = 300
# Within the 5 s that a stop may take beyond its grace, of which 4.6 have gone by then.
_DRAIN_WITHOUT_REDIS = timedelta(seconds=0.3)


async def run(settings: Settings, *, wait_for_redis: bool = True) -> int:
    """Consume jobs until a stop signal; returns the process's exit code."""
    logger.info("🚀 Starting VidFab BullMQ Worker...")
    logger.info("Environment: {}", settings.environment)
    stop = asyncio.Event()
    stop_on_signal(stop)
    worker_status = WorkerStatus(attempts=RunningAttempts(meter))
    try:
        async with (
            open_alerts(settings) as alerts,
            served(settings, worker_status),
            traced(settings) as tracer,
        ):
            life = Life(settings, worker_status, alerts, stop, tracer)
            return await life.live(wait_for_redis)
    except (redis_client.RedisUnreachable, CannotListen) as error:
        logger.error("❌ Worker startup failed: {}", error)
        return EXIT_STARTUP_FAILED


class Life:
    """One worker's life cycle, from the wait for Redis to the exit code. A signal sets `stop`."""

    def __init__(
        self,
        settings: Settings,
        worker_status: WorkerStatus,
        alerts: Alerts,
        stop: asyncio.Event,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._settings = settings
        self._redis = redis_of(settings)
        self._worker_status = worker_status
        self._alerts = alerts
        self._stop = stop
        self._tracer = tracer
        self._loaded = asyncio.Event()

    async def live(self, wait_for_redis: bool) -> int:
        """Run the worker; returns the exit code. Raises RedisUnreachable."""
        began = time.monotonic()
        if not await self._redis_answers(wait_for_redis):
            logger.info("✅ Worker stopped gracefully")
            return EXIT_OK
        after_outage = time.monotonic() - began > AT_ONCE_S
        async with _services(self._settings, self._alerts) as services:
            return await self._consume(services, after_outage)

    async def _redis_answers(self, wait: bool) -> bool:
        """Wait for Redis; False when stopped before it answered. Raises RedisUnreachable."""
        if not wait:
            await redis_client.check(self._redis)
            return True
        where = self._redis
        line = f"⏳ The worker waits for Redis since its start, 5 minutes ago: {where}"
        alert = Alert("waiting for Redis", line, "warning")
        late = asyncio.get_running_loop().call_later(
            _REDIS_ALERT_AFTER_S, self._alerts.notify, alert
        )
        try:
            return await until_redis_answers(self._redis, self._stop)
        finally:
            late.cancel()

    async def _consume(self, services: Services, after_outage: bool) -> int:
        work_folder = WorkFolder()
        fitness = Fitness(work_folder.path, self._report_unfit)
        fitness.hold_reserve()
        self._worker_status.lack = fitness.lack
        jobs = discover()
        attempts = Attempts(
            jobs,
            services,
            loaded=self._loaded,
            work_folder=work_folder.path,
            notify=self._alerts.notify,
            scrub=services.scrub,
            language=self._settings.app_language,
        )
        dispatcher = attempts.dispatcher(fitness)
        consumer = Consumer(
            options_of(self._settings), dispatcher, self._worker_status.attempts, self._tracer
        )
        services.use_redis(consumer.redis)
        loop = await consumer.start(after_outage=after_outage)
        self._worker_status.refusal = lambda: consumer.refusal
        self._worker_status.phase = Phase.RUNNING
        _announce(self._settings)
        notify_ready()
        with LoopWatch(lambda: os._exit(EXIT_STUCK), drain_logs=drain_logs) as loop_watch:
            self._worker_status.lag = loop_watch.largest_lag
            with _in_background(asyncio.to_thread(remove_abandoned)):
                watching = self._until_lacking(consumer.redis, services)
                code, why = await self._until_over(consumer, loop, watching)
            self._report_stop(why)
            grace = timedelta(0) if loop.done() else self._settings.shutdown_grace
            is_clean = await consumer.stop(loop, grace)
        await asyncio.to_thread(work_folder.remove)
        if not is_clean:
            await self._end_hard(EXIT_UNCLEAN if why is None else code)
        logger.info("✅ Worker stopped gracefully")
        return code

    async def _until_over(
        self,
        consumer: Consumer,
        loop: asyncio.Task[None],
        until_lacking: Coroutine[Any, Any, str],
    ) -> tuple[int, str | None]:
        """Wait for a stop signal or a fatal condition; returns the exit code and the reason."""
        ping = partial(redis_client.check, self._redis)
        watching = until_starved(consumer, ping, self._worker_status.last_signs)
        starved = asyncio.create_task(watching, name="liveness")
        stopped = asyncio.create_task(self._stop.wait())
        lacking = asyncio.create_task(until_lacking, name="fitness")
        ends: set[asyncio.Task[Any]] = {loop, starved, stopped, lacking}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in (starved, stopped, lacking):
            task.cancel()
        if self._stop.is_set():
            return EXIT_OK, None
        if lacking.done():
            return EXIT_STARTUP_FAILED, lacking.result()
        if loop.done():
            return EXIT_STUCK, f"The consumer ended by itself: {_why(loop)}"
        if error := starved.exception():
            return EXIT_STUCK, f"The consumer's monitoring failed: {error!r}"
        return EXIT_STUCK, "The consumer fetched nothing for five minutes although Redis answers"

    async def _until_lacking(self, redis: Redis, services: Services) -> str:
        """Load what nearly every job needs, then run the reconciler and the look at deadlines.

        Ends only when loading failed, since every job would burn its attempts; returns the advice.
        """
        try:
            await services.warm_up()
        except Exception as error:
            what = f"What its jobs need cannot be loaded ({type(error).__name__}: {error})"
            return f"{what}: reinstall requirements/worker.txt, and check SSL_CERT_FILE"
        self._loaded.set()
        await asyncio.to_thread(_load_rounds)
        from runtime.reconciler.deadlines import Deadlines
        from runtime.reconciler.reconciler import Reconciler

        queue = queue_of(self._settings)
        state = QueueState(redis, queue)
        adder = Adder(redis, queue, job_defaults_of(self._settings))
        reconciler = Reconciler(redis, state, adder, services, notify=self._alerts.notify)
        async with asyncio.TaskGroup() as tasks:  # each goes on until it is cancelled
            tasks.create_task(Deadlines(redis, queue, services).run(), name="deadlines")
            tasks.create_task(keep_unknown_codes(redis, queue), name="unknown codes")
            return await reconciler.run()

    def _report_unfit(self, line: str) -> None:
        self._alerts.notify(Alert("machine unfit", line, "error"))

    def _report_stop(self, why: str | None) -> None:
        self._worker_status.phase = Phase.STOPPING
        if why is not None:
            logger.critical("{}", why)
            self._alerts.notify(Alert("stuck", f"🛑 The worker gives up: {why}", "fatal"))
        logger.info("🛑 Shutting down worker...")

    async def _end_hard(self, code: int) -> NoReturn:
        """Exit at once: tasks that wait for Redis would keep the event loop from ending."""
        logger.error("Redis did not answer as it should: the stalled check returns the jobs")
        await self._alerts.drain(_DRAIN_WITHOUT_REDIS)
        drain_logs()
        os._exit(code)


def _load_rounds() -> None:
    """Import what runs beside the jobs, and not before them; not on the event loop."""
    for name in ("reconciler", "deadlines"):
        importlib.import_module(f"runtime.reconciler.{name}")


@asynccontextmanager
async def _services(settings: Settings, alerts: Alerts) -> AsyncGenerator[Services]:
    services = Services(settings, alerts.notify)
    try:
        yield services
    finally:
        await services.aclose()


@contextmanager
def _in_background(*coroutines: Coroutine[Any, Any, None]) -> Generator[None]:
    """Run coroutines during the block; unfinished ones are cancelled at its end."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


def _why(loop: asyncio.Task[None]) -> str:
    if loop.cancelled():
        return "it was cancelled"
    return str(loop.exception() or "no reason given")


def _announce(settings: Settings) -> None:
    logger.info("✅ Worker started successfully")
    logger.info(
        "Queue: {} at {}, concurrency {}",
        settings.queue_name,
        redis_of(settings),
        settings.queue_concurrency,
    )
    if redis_of(settings).is_unchecked:
        logger.warning("{}", UNCHECKED)
    if not settings.has_image_key:
        logger.warning("No image provider: set {} for storyboards", image_key_variables())
    logger.info("Waiting for jobs...")
