"""A program with workers, for `python -m bullmq_consumer tests.support.runnable:worker`."""

import asyncio
import logging
import os
import time
from datetime import timedelta

from bullmq_consumer import Job, SyncJob, Worker
from tests.support.emails import Deps, jobs, lifespan
from tests.support.isolated import jobs as isolated

worker = Worker(
    os.environ.get("QUEUE", "q"),
    os.environ.get("REDIS_URL", "redis://127.0.0.1:1"),
    lifespan=lifespan,
    concurrency=5,
    grace=timedelta(seconds=1),
)
worker.include(jobs, isolated)
empty = Worker("empty", "redis://127.0.0.1:1")
homeless = Worker("homeless", "redis://127.0.0.1:1", lifespan=lifespan)
homeless.include(jobs)
no_worker = 7


@worker.job("patient")
async def patient(job: Job[dict[str, str], Deps]) -> None:
    """Go on until it is cancelled."""
    await job.progress(1)
    await asyncio.Event().wait()


@worker.job("obedient")
def obedient(job: SyncJob) -> None:
    """Go on in a thread until it is asked to end."""
    job.progress(1)
    while True:
        job.raise_if_stopped()
        time.sleep(0.01)


@worker.job("stubborn")
def stubborn(job: SyncJob) -> None:
    """Go on in a thread, whoever asks."""
    job.progress(1)
    while True:
        time.sleep(1)


@worker.job("block")
def block(job: SyncJob[dict[str, float]]) -> str:
    """Block a thread for so many seconds."""
    time.sleep(job.data["seconds"])
    return "done"


@worker.job("logs")
async def logs(job: Job) -> None:
    """Write a line, as an application does."""
    logging.getLogger("app").info("Working")


@worker.job("hold up")
async def hold_up(job: Job) -> None:
    """Block the event loop, as no `async def` should."""
    time.sleep(1)  # noqa: ASYNC251


@worker.job("endless", isolate=True)
def endless(job: SyncJob) -> None:
    """Go on in a process of its own, whoever asks."""
    job.progress(1)
    while True:
        time.sleep(1)
