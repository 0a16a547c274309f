"""Traces, where they are wanted: the SDK loaded, spans on their way, and the end in time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from threading import Thread
from typing import TYPE_CHECKING

from loguru import logger

from bullmq_consumer.sanitize.text import one_line
from bullmq_consumer.telemetry.tracer import NO_TRACER, Tracer
from config.settings import Settings
from config.tracing import traces_address, traces_obstacle
from core import tracing

if TYPE_CHECKING:
    from runtime.tracing.sdk import SdkTracer

# What is left at the end of the worker gets this long.
_LAST_WORDS_S = 1.0


@asynccontextmanager
async def traced(settings: Settings) -> AsyncGenerator[Tracer]:
    """Meanwhile jobs and what they ask services for are traced, if a collector is set.

    Lines of the log then name the trace that they belong to. What keeps traces from being sent is
    logged, and keeps nothing else from its work.
    """
    for problem in settings.untraced:
        logger.warning("No traces: {}", problem)
    address = traces_address(settings)
    if address is None:
        yield NO_TRACER
        return
    if obstacle := traces_obstacle(settings):
        logger.warning("No traces: {}; {}", *obstacle)
        yield NO_TRACER
        return
    try:
        # 0.3 s of imports: before the first job, whose span would come too late.
        sdk = await asyncio.to_thread(_load, settings, address)
    except Exception as error:
        logger.warning("No traces: {}: {}", type(error).__name__, one_line(str(error)))
        yield NO_TRACER
        return
    logger.info("Traces: {}", address)
    tracing.install(sdk)
    logger.configure(patcher=sdk.mark)
    try:
        yield sdk
    finally:
        tracing.install(NO_TRACER)
        logger.configure(patcher=lambda record: None)
        # A thread that holds up nobody: the SDK's own would wait for a collector for ten seconds.
        last_words = Thread(target=sdk.close, name="traces", daemon=True)
        last_words.start()
        await asyncio.to_thread(last_words.join, _LAST_WORDS_S)


def _load(settings: Settings, address: str) -> "SdkTracer":
    from runtime.tracing.sdk import open_sdk

    return open_sdk(settings, address)
