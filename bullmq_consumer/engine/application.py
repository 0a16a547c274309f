"""The interface between the consumer and an application that runs its jobs."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.new_job import NewJob
from bullmq_consumer.outcome import Done, Fail, FailLater, Outcome
from bullmq_consumer.safety.fence import Fence


class JobHandle(Protocol):
    """A running job's access to its queue."""

    @property
    def fence(self) -> Fence:
        """The check of the job's lock before writes."""
        ...

    def report(self, progress: Any) -> None:
        """Publish progress soon, in the background; a newer one may replace it.

        Does not raise while Redis is unreachable. Raises ValueError when it is not JSON.
        """
        ...

    async def save_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Replace the job's checkpoint; it survives retries, hand-backs and crashes.

        Raises LockLost when another worker has the job.
        """
        ...

    async def log(self, *lines: str) -> None:
        """Add lines to the job's own log, which Node's `getJobLogs` and Bull Board show.

        Several are one command to Redis. Never raises for an unreachable queue: they are lost then.
        """
        ...

    async def children(self) -> Mapping[str, Any]:
        """What the job's children returned, of a parent in a flow, by their keys in Redis.

        Raises RedisError, OSError.
        """
        ...

    async def add_jobs(self, jobs: Sequence[NewJob]) -> None:
        """Add jobs; ids that are waiting, delayed or active are skipped."""
        ...


class Application(Protocol):
    """The jobs of one queue, by name. `Worker` calls it; nothing else does."""

    @property
    def fitness(self) -> Fitness:
        """Whether this machine has what every job needs; otherwise no job is taken."""
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
        """Prepare the final failure of a job, or return when to try that again."""
        ...

    def schedule_broke(self, schedule: str, reason: str) -> None:
        """A schedule, by its id, cannot be read: no further job of it will come."""
        ...
