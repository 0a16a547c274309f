"""The smallest workers of `bullmq_consumer`: by its public face, and by the engine below it.

    python -m bullmq_consumer bench.bare_worker:worker
    python -m bench.bare_worker

Both read `REDIS_URL`, `QUEUE` and `CONCURRENCY`, and complete jobs called `noop`.
"""

import asyncio
import os
from datetime import timedelta

from bullmq_consumer import Job, Worker
from bullmq_consumer.delivery import Delivery
from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.engine.consumer import Consumer
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.outcome import Done, Fail
from bullmq_consumer.process.signals import stop_on_signal

worker = Worker(
    os.environ.get("QUEUE", "bench"),
    os.environ.get("REDIS_URL", "redis://127.0.0.1:1"),
    concurrency=int(os.environ.get("CONCURRENCY", "1")),
)


@worker.job("noop")
async def noop(job: Job) -> None:
    """Do nothing."""


class Nothing:
    """The same as an application of the engine."""

    def __init__(self) -> None:
        self.fitness = Fitness()

    def releases_id(self, name: str) -> bool:
        return False

    def hides_retries(self, name: str) -> bool:
        return False

    def schedule_broke(self, schedule: str, reason: str) -> None: ...

    async def run(self, delivery: Delivery, handle: JobHandle, stopping: asyncio.Event) -> Done:
        return Done(None)

    async def on_failed(self, delivery: Delivery, handle: JobHandle, reason: str) -> Fail:
        return Fail(reason)


async def main() -> None:
    stop = asyncio.Event()
    stop_on_signal(stop)
    await Consumer(worker.options, Nothing()).run(stop, timedelta(seconds=1))


if __name__ == "__main__":
    asyncio.run(main())
