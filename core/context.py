"""What a handler may do: report progress, keep a checkpoint, add follow-up jobs."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from core.fence import Fence
from core.follow_ups import FollowUp

if TYPE_CHECKING:
    from loguru import Logger

Services = TypeVar("Services")


class QueueLink(Protocol):
    """A running job's line to the queue."""

    @property
    def fence(self) -> Fence:
        """The job's lock, as far as writing needs it."""
        ...

    def report(self, progress: Mapping[str, Any]) -> None:
        """Publish a progress object beside the work, soon, or a newer one in its place.

        Never raises for a queue that is away.
        """
        ...

    async def save_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Replace the job's checkpoint; it survives retries, hand-backs and crashes.

        Raises LockLost when another worker has the job.
        """
        ...

    async def add_jobs(self, follow_ups: Sequence[FollowUp]) -> None:
        """Add those jobs whose ids are not waiting, delayed or active."""
        ...


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
    link: QueueLink
    checkpoint_fields: dict[str, Any] = field(default_factory=dict[str, Any])
    _reported: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def workdir(self) -> Path:
        """A folder of this attempt's own, made when first asked for and removed after it."""
        return self.folder()

    async def progress(self, percent: int, message: str, **extra: Any) -> None:
        """Show `percent` (0 to 100, never falls) and `message` to the person who waits."""
        percent = max(percent, self._reported.get("percent", 0))
        progress = {"percent": percent, "message": message, **extra}
        if progress == self._reported:
            return
        self._reported.clear()
        self._reported.update(progress)
        self.log.info("⏳ Progress: {}% - {}", percent, message)
        self.link.report(progress)

    async def checkpoint(self, **fields: Any) -> None:
        """Keep `fields` with the job *before* waiting on what was paid for."""
        self.checkpoint_fields.update(fields)
        await self.link.save_checkpoint(self.checkpoint_fields)

    async def enqueue(self, *follow_ups: FollowUp) -> None:
        """Add follow-up jobs; adding an id again while it is unfinished changes nothing."""
        if follow_ups:
            await self.link.add_jobs(follow_ups)
