"""What runs the jobs: the two sides of the seam between the consumer and an application."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.new_job import NewJob
from bullmq_consumer.outcome import Done, Fail, FailLater, Outcome
from bullmq_consumer.safety.fence import Fence


class JobHandle(Protocol):
    """What a running job may ask of its queue."""

    @property
    def fence(self) -> Fence:
        """The job's lock, as far as writing needs it."""
        ...

    def report(self, progress: Mapping[str, Any]) -> None:
        """Publish a progress object beside the work, soon, or a newer one in its place.

        Never raises for a queue that is away; ValueError for what is no JSON.
        """
        ...

    async def save_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Replace the job's checkpoint; it survives retries, hand-backs and crashes.

        Raises LockLost when another worker has the job.
        """
        ...

    async def add_jobs(self, jobs: Sequence[NewJob]) -> None:
        """Add those jobs whose ids are not waiting, delayed or active."""
        ...


class Application(Protocol):
    """The jobs of one queue, by name. `Worker` calls it; nothing else does."""

    @property
    def fitness(self) -> Fitness:
        """Whether this machine has what every job needs; while it has not, no job is taken."""
        ...

    def releases_id(self, name: str) -> bool:
        """Whether a finished job of this name is removed, so that its id can be added again."""
        ...

    def hides_retries(self, name: str) -> bool:
        """Whether a job of this name must show no `failedReason` while an attempt is left."""
        ...

    async def run(
        self, delivery: Delivery, handle: JobHandle, stopping: asyncio.Event
    ) -> Done | Outcome:
        """Run one attempt. Raises nothing but CancelledError."""
        ...

    async def on_failed(
        self, delivery: Delivery, handle: JobHandle, reason: str
    ) -> Fail | FailLater:
        """Prepare the end of a job that is to fail without another attempt, or say when to."""
        ...
