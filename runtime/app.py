"""The worker's life: settings in, exit code out."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from loguru import logger

from config.settings import Settings
from core.registry import discover
from runtime import redis_client
from runtime.consumer import Consumer
from runtime.dispatch import Dispatcher
from runtime.queue_state import QueueState
from runtime.signals import stop_on_signal
from runtime.watchdog import Watchdog
from services.bundle import Services

EXIT_OK = 0
EXIT_STARTUP_FAILED = 1
EXIT_CONSUMER_DIED = 70  # EX_SOFTWARE: the supervisor starts a new worker
EXIT_UNCLEAN = 75  # EX_TEMPFAIL: Redis was away, jobs come back by the stalled check


async def run(settings: Settings) -> int:
    """Consume jobs until a stop signal; returns the process's exit code."""
    logger.info("🚀 Starting VidFab BullMQ Worker...")
    logger.info("Environment: {}", settings.environment)
    stop = asyncio.Event()
    stop_on_signal(stop)
    try:
        await redis_client.check(settings)
    except redis_client.RedisUnreachable as error:
        logger.error("❌ Worker startup failed: {}", error)
        return EXIT_STARTUP_FAILED
    async with _services(settings) as services:
        return await _consume(settings, services, stop)


@asynccontextmanager
async def _services(settings: Settings) -> AsyncGenerator[Services]:
    services = Services(settings)
    try:
        yield services
    finally:
        await services.aclose()


async def _consume(settings: Settings, services: Services, stop: asyncio.Event) -> int:
    redis = redis_client.connect(settings)
    consumer = Consumer(settings, redis, Dispatcher(discover(), services))
    loop = await consumer.start()
    _announce(settings)
    warming_up = asyncio.create_task(_warm_up(services))
    watchdog = Watchdog(redis, QueueState(redis, settings.queue_name), services)
    watching = asyncio.create_task(watchdog.run(), name="watchdog")
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({stopped, loop}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    warming_up.cancel()
    watching.cancel()
    died = not stop.is_set()
    if died:
        logger.critical("The consumer ended by itself: {}", _why(loop))
    logger.info("🛑 Shutting down worker...")
    if not await consumer.stop(loop, timedelta(0) if died else settings.shutdown_grace):
        logger.error("Redis did not answer: running jobs come back by the stalled check")
        # What the library left pending swallows every cancellation: asyncio could not end.
        os._exit(EXIT_UNCLEAN)
    await redis.aclose()
    logger.info("✅ Worker stopped gracefully")
    return EXIT_CONSUMER_DIED if died else EXIT_OK


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
