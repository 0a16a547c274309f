"""The workers that are compared, each as its users start it."""

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from sandbox import node
from sandbox.processes import Process
from sandbox.producer import CONSUMER_READY, new_consumer
from sandbox.vidfab import VidFab
from sandbox.worker_process import READY, ROOT, new_worker

QUEUE = "bench"
CONCURRENCY = 3
"""The worker's own default."""


@dataclass(frozen=True)
class Job:
    """A job as the app adds it."""

    name: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


# One progress event and the envelope: the smallest job that the app knows.
SMALLEST = Job(
    "update_quota",
    {"userId": "00000000-0000-4000-8000-000000000001", "operation": "add"},
)
# A name of Node's bare worker alone: not even a progress event.
NOTHING = Job("noop")


@dataclass(frozen=True)
class Contender:
    """A worker. `new` makes its process for a Redis URL and a concurrency, not yet started.

    It logs `ready` once it waits for jobs; `job` is what it is given to do.
    """

    new: Callable[[str, int], Awaitable[Process]]
    ready: str
    job: Job = SMALLEST


def python_worker(vidfab: VidFab, folder: Path, **settings: str) -> Contender:
    """This worker with its defaults; its log, of `info` and above, goes to a file."""

    async def new(redis_url: str, concurrency: int) -> Process:
        own = {
            "BULLMQ_REDIS_URL": redis_url,
            "LOG_LEVEL": "info",
            "QUEUE_CONCURRENCY": str(concurrency),
            **settings,
        }
        return new_worker(vidfab.settings(QUEUE, **own), folder)

    return Contender(new, READY)


def node_worker(folder: Path, job: Job = SMALLEST, **environment: str) -> Contender:
    """A bare one of BullMQ in Node, without logs, database or vendors of its own."""

    async def new(redis_url: str, concurrency: int) -> Process:
        return await new_consumer(
            redis_url, QUEUE, folder, concurrency=concurrency, env=environment
        )

    return Contender(new, CONSUMER_READY, job)


def plain_worker(vidfab: VidFab, folder: Path, **environment: str) -> Contender:
    """One in Node that does the app's jobs in the plain way: bench/plain_worker. Logs failures."""

    async def new(redis_url: str, concurrency: int) -> Process:
        runtime = await node.install()
        script = Path(__file__).parent / "plain_worker" / "main.mjs"
        told = (redis_url, QUEUE, str(concurrency))
        own = {**os.environ, **vidfab.settings(QUEUE), **environment}
        log = folder / f"plain-{uuid4()}.log"
        command = [runtime.executable, script, *told]
        return Process(command, log, name="plain Node worker", cwd=runtime.folder, env=own)

    return Contender(new, CONSUMER_READY)


def bare_worker(folder: Path, *, engine_alone: bool = False) -> Contender:
    """The consumer without this project, with a handler that does nothing: bare_worker.py.

    It logs warnings, and what is worse.
    """
    face = ("bullmq_consumer", "bench.bare_worker:worker", "--log-level", "warning")
    command = [sys.executable, "-m", *(("bench.bare_worker",) if engine_alone else face)]

    async def new(redis_url: str, concurrency: int) -> Process:
        own = {"REDIS_URL": redis_url, "QUEUE": QUEUE, "CONCURRENCY": str(concurrency)}
        # As where workers run: each start reads compiled code.
        environment = {**os.environ, **own}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        log = folder / f"bare-{uuid4()}.log"
        return Process(command, log, name="bare consumer", cwd=ROOT, env=environment)

    return Contender(new, "", NOTHING)
