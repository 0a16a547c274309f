"""The handler's interface: progress, checkpoint, follow-up jobs, services."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bullmq_consumer.application import JobHandle
from bullmq_consumer.new_job import NewJob

if TYPE_CHECKING:
    from loguru import Logger

Services = TypeVar("Services")


@dataclass(frozen=True, slots=True)
class JobContext(Generic[Services]):
    """One attempt at one job. `attempt` counts from 1."""

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
    _reported: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def workdir(self) -> Path:
        """This attempt's own folder, created on first use and removed afterwards."""
        return self.folder()

    async def progress(self, percent: int, message: str, **extra: Any) -> None:
        """Show `percent` (0 to 100, never falls) and `message` to the user."""
        percent = max(percent, self._reported.get("percent", 0))
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

    async def enqueue(self, *follow_ups: NewJob) -> None:
        """Add follow-up jobs; adding the id of an unfinished job again has no effect."""
        if follow_ups:
            await self.handle.add_jobs(follow_ups)
