"""The worker's life: settings in, exit code out."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from loguru import logger
from redis.asyncio import Redis

from config.settings import Settings
from core.alert import Alert
from core.registry import discover
from runtime import redis_client
from runtime.alerts import Alerts, open_alerts
from runtime.consumer import Consumer
from runtime.dispatch import Dispatcher
from runtime.liveness import LastSigns, until_starved
from runtime.loop_watch import LoopWatch
from runtime.queue_state import QueueState
from runtime.redis_wait import until_redis_answers
from runtime.server import CannotListen, served
from runtime.signals import stop_on_signal
from runtime.supervisor import say_ready
from runtime.vitals import Phase, Vitals
from runtime.watchdog import Watchdog
from runtime.work_folders import WorkFolder, remove_abandoned
from services.bundle import Services

EXIT_OK = 0
EXIT_STARTUP_FAILED = 1
EXIT_STUCK = 70  # EX_SOFTWARE: the supervisor starts a new worker
EXIT_UNCLEAN = 75  # EX_TEMPFAIL: Redis was away, jobs come back by the stalled check

# A Redis that took longer to answer was away.
_AT_ONCE_S = 2.0
# Redis is started again in less; what takes longer is for somebody to look at.
_LONG_AWAY_S = 300
# Within the 5 s that a stop may take beyond its grace, of which 4.6 have gone by then.
_LAST_WORDS_WITHOUT_REDIS = timedelta(seconds=0.3)


async def run(settings: Settings, *, wait_for_redis: bool = True) -> int:
    """Consume jobs until a stop signal; returns the process's exit code."""
    logger.info("🚀 Starting VidFab BullMQ Worker...")
    logger.info("Environment: {}", settings.environment)
    stop = asyncio.Event()
    stop_on_signal(stop)
    vitals = Vitals()
    try:
        async with open_alerts(settings) as alerts, served(settings, vitals):
            return await _work(settings, vitals, stop, alerts, wait_for_redis)
    except (redis_client.RedisUnreachable, CannotListen) as error:
        logger.error("❌ Worker startup failed: {}", error)
        return EXIT_STARTUP_FAILED


async def _work(
    settings: Settings, vitals: Vitals, stop: asyncio.Event, alerts: Alerts, wait: bool
) -> int:
    """As `run`. Raises RedisUnreachable."""
    began = time.monotonic()
    if not await _redis_answers(settings, stop, wait, alerts):
        logger.info("✅ Worker stopped gracefully")
        return EXIT_OK
    after_outage = time.monotonic() - began > _AT_ONCE_S
    async with _services(settings) as services:
        return await _consume(settings, services, vitals, stop, alerts, after_outage)


async def _redis_answers(
    settings: Settings, stop: asyncio.Event, wait: bool, alerts: Alerts
) -> bool:
    """False when told to stop before it did. Raises RedisUnreachable."""
    if not wait:
        await redis_client.check(settings)
        return True
    where = redis_client.address(settings)
    line = f"⏳ The worker waits for Redis since its start, 5 minutes ago: {where}"
    alert = Alert("waiting for Redis", line, "warning")
    late = asyncio.get_running_loop().call_later(_LONG_AWAY_S, alerts.tell, alert)
    try:
        return await until_redis_answers(settings, stop)
    finally:
        late.cancel()


@asynccontextmanager
async def _services(settings: Settings) -> AsyncGenerator[Services]:
    services = Services(settings)
    try:
        yield services
    finally:
        await services.aclose()


async def _consume(
    settings: Settings,
    services: Services,
    vitals: Vitals,
    stop: asyncio.Event,
    alerts: Alerts,
    after_outage: bool,
) -> int:
    redis = redis_client.connect(settings)
    work_folder = WorkFolder()
    dispatcher = Dispatcher(discover(), services, work_folder.path, alerts.tell)
    consumer = Consumer(settings, redis, dispatcher, vitals.at_work)
    loop = await consumer.start(after_outage=after_outage)
    vitals.phase = Phase.RUNNING
    _announce(settings)
    say_ready()
    with LoopWatch(lambda: os._exit(EXIT_STUCK)) as loop_watch:
        vitals.lag = loop_watch.largest_lag
        with _in_background(*_chores(settings, redis, services, alerts)):
            why = await _until_over(settings, consumer, vitals.last_signs, loop, stop)
        vitals.phase = Phase.STOPPING
        if why is not None:
            logger.critical("{}", why)
            alerts.tell(Alert("stuck", f"🛑 The worker gives up: {why}", "fatal"))
        logger.info("🛑 Shutting down worker...")
        grace = timedelta(0) if loop.done() else settings.shutdown_grace
        is_clean = await consumer.stop(loop, grace)
    await asyncio.to_thread(work_folder.remove)
    if not is_clean:
        logger.error("Redis did not answer as it should: jobs come back by the stalled check")
        await alerts.drain(_LAST_WORDS_WITHOUT_REDIS)
        # What the library left pending swallows every cancellation: asyncio could not end.
        os._exit(EXIT_UNCLEAN if why is None else EXIT_STUCK)
    await redis.aclose()
    logger.info("✅ Worker stopped gracefully")
    return EXIT_OK if why is None else EXIT_STUCK


def _chores(
    settings: Settings, redis: Redis, services: Services, alerts: Alerts
) -> tuple[Coroutine[Any, Any, None], ...]:
    """What goes on beside the jobs."""
    queue = QueueState(redis, settings.queue_name)
    return (
        _warm_up(services),
        Watchdog(redis, queue, services, tell=alerts.tell).run(),
        asyncio.to_thread(remove_abandoned),
    )


@contextmanager
def _in_background(*coroutines: Coroutine[Any, Any, None]) -> Generator[None]:
    """Run them meanwhile; what is not done in the end is cancelled."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def _until_over(
    settings: Settings,
    consumer: Consumer,
    last_signs: LastSigns,
    loop: asyncio.Task[None],
    stop: asyncio.Event,
) -> str | None:
    """Until a stop signal, or until a new worker should take over: then the reason."""
    ping = partial(redis_client.check, settings)
    starved = asyncio.create_task(until_starved(consumer, ping, last_signs), name="liveness")
    stopped = asyncio.create_task(stop.wait())
    ends: set[asyncio.Task[Any]] = {loop, starved, stopped}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    starved.cancel()
    stopped.cancel()
    if stop.is_set():
        return None
    if loop.done():
        return f"The consumer ended by itself: {_why(loop)}"
    return "The consumer fetched nothing for five minutes although Redis answers"


def _why(loop: asyncio.Task[None]) -> str:
    if loop.cancelled():
        return "it was cancelled"
    return str(loop.exception() or "no reason given")


async def _warm_up(services: Services) -> None:
    try:
        await services.warm_up()
    except Exception as error:  # the first job will say what is wrong
        logger.warning("Warming up failed: {}", error)


def _announce(settings: Settings) -> None:
    logger.info("✅ Worker started successfully")
    logger.info(
        "Queue: {} at {}, concurrency {}",
        settings.queue_name,
        redis_client.address(settings),
        settings.queue_concurrency,
    )
    if settings.byteplus_key is None and settings.google_key is None:
        logger.warning(
            "No image provider: set BYTEPLUS_API_KEY or GOOGLE_AI_API_KEY for storyboards"
        )
    logger.info("Waiting for jobs...")
