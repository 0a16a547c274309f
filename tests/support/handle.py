"""A job handle that keeps what a handler sends, and a context that stands on it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loguru import logger

from bullmq_consumer import Job
from bullmq_consumer.delivery import Delivery
from bullmq_consumer.jobs.stop import Stop
from bullmq_consumer.new_job import NewJob
from core.jobs.context import JobContext


@dataclass
class OpenFence:
    """The lock of a job that nobody takes away."""

    job_id: str = "job-1"
    is_lost: bool = False

    async def check(self) -> None:
        return


@dataclass
class RecordingHandle:
    fence: OpenFence = field(default_factory=OpenFence)
    progress: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    added: list[NewJob] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    children_values: dict[str, Any] = field(default_factory=dict)

    def report(self, progress: Mapping[str, Any]) -> None:
        self.progress.append(dict(progress))

    async def log(self, *lines: str) -> None:
        self.lines += lines

    async def children(self) -> Mapping[str, Any]:
        return self.children_values

    async def save_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        self.checkpoints.append(dict(checkpoint))

    async def add_jobs(self, jobs: Sequence[NewJob]) -> None:
        self.added.extend(jobs)


def context(
    handle: RecordingHandle,
    workdir: Path = Path(),
    *,
    services: Any = None,
    checkpoint_fields: Mapping[str, Any] | None = None,
    stopping: asyncio.Event | None = None,
    added_at: float | None = None,
    attempt: int = 1,
) -> JobContext[Any]:
    delivery = Delivery(
        "job-1", "some_job", {}, attempts_made=attempt - 1, attempts=3, added_at=added_at
    )
    stop = Stop(stopping or asyncio.Event(), lambda: handle.fence.is_lost)
    return JobContext(
        job=Job(delivery, {}, None, stop, handle),
        log=logger,
        services=services,
        folder=lambda: workdir,
        checkpoint_fields=dict(checkpoint_fields or {}),
    )
