"""The handler's interface: progress, checkpoint, follow-up jobs, services."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.new_job import NewJob
from core.story import story

if TYPE_CHECKING:
    from loguru import Logger

Services = TypeVar("Services")


@dataclass(frozen=True, slots=True)
class JobContext(Generic[Services]):
    """One attempt at one job. `attempt` counts from 1.

    `least_percent` is how far an earlier attempt came: progress never falls.
    """

    job_id: str
    name: str
    attempt: int
    is_last_attempt: bool
    log: "Logger"
    services: Services
    folder: Callable[[], Path]
    stopping: asyncio.Event
    handle: JobHandle
    checkpoint_fields: dict[str, Any] = field(default_factory=dict[str, Any])
    least_percent: int = 0
    _reported: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def workdir(self) -> Path:
        """This attempt's own folder, created on first use and removed afterwards."""
        return self.folder()

    async def progress(self, percent: int, message: str, **extra: Any) -> None:
        """Show `percent` (0 to 100, never falls) and `message` to the person who waits."""
        percent = max(percent, self._reported.get("percent", self.least_percent))
        progress = {"percent": percent, "message": message, **extra}
        if progress == self._reported:
            return
        self._reported.clear()
        self._reported.update(progress)
        self.log.info("⏳ Progress: {}% - {}", percent, message)
        self.handle.report(progress)

    async def checkpoint(self, **fields: Any) -> None:
        """Save `fields` with the job; do so *before* waiting for anything that was paid for."""
        self.checkpoint_fields.update(fields)
        await self.handle.save_checkpoint(self.checkpoint_fields)

    async def note(self, line: str) -> None:
        """Add a line to the job's own log, for who looks at it in Bull Board. Does not wait."""
        story().add(line)

    async def enqueue(self, *follow_ups: NewJob) -> None:
        """Add follow-up jobs; adding the id of an unfinished job again has no effect."""
        if follow_ups:
            await self.handle.add_jobs(follow_ups)


def percent_of(progress: Any) -> int:
    """How far a reported progress says that its job is, 0 for what is no such report."""
    if not isinstance(progress, dict):
        return 0
    percent = cast("dict[str, Any]", progress).get("percent")
    if not isinstance(percent, int | float) or isinstance(percent, bool):
        return 0
    return int(percent) if 0 <= percent <= 100 else 0
