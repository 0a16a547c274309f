"""A worker for the queue "hello", whose jobs a Node app adds: see producer.mjs."""

import asyncio
import logging
import os
from datetime import timedelta

from bullmq_consumer import (
    Delivery,
    Done,
    Fail,
    Fitness,
    JobHandle,
    NewJob,
    Options,
    Outcome,
    QueueName,
    RedisAddress,
    RetryableError,
    UnrecoverableError,
    Worker,
    decide,
)
from bullmq_consumer.process.signals import stop_on_signal


async def greet(delivery: Delivery, handle: JobHandle) -> dict[str, str | int]:
    """Write a greeting, and have it sent. The first attempt ends half-way."""
    greeting: str | None = delivery.checkpoint.get("greeting")
    if greeting is None:
        handle.report({"percent": 10})
        greeting = f"Hello, {delivery.data['name']}!"
        await handle.save_checkpoint({"greeting": greeting})
        raise RetryableError("The stamps have run out")
    handle.report({"percent": 80})
    await handle.add_jobs([NewJob("send", f"send_{delivery.job_id}", {"greeting": greeting})])
    return {"greeting": greeting, "attempt": delivery.attempts_made + 1}


async def send(delivery: Delivery, handle: JobHandle) -> dict[str, str]:
    """Send a greeting."""
    return {"sent": delivery.data["greeting"]}


JOBS = {"greet": greet, "send": send}


class Hello:
    """The application: what the worker asks about each job."""

    def __init__(self) -> None:
        self.fitness = Fitness()

    def releases_id(self, name: str) -> bool:
        """Finished jobs stay, as the producer's options say."""
        return False

    def hides_retries(self, name: str) -> bool:
        """A job may show why its last attempt failed."""
        return False

    def schedule_broke(self, schedule: str, reason: str) -> None:
        """The log says it already."""

    async def run(
        self, delivery: Delivery, handle: JobHandle, stopping: asyncio.Event
    ) -> Done | Outcome:
        """One attempt: its value, or what becomes of the job after an error."""
        try:
            if delivery.fault is not None or delivery.name not in JOBS:
                raise UnrecoverableError(delivery.fault or f"No job is named {delivery.name}")
            return Done(await JOBS[delivery.name](delivery, handle))
        except Exception as error:
            logging.warning("%s %s: %s", delivery.name, delivery.job_id, error)
            return decide(error, is_last_attempt=delivery.is_last_attempt, snoozes=delivery.snoozes)

    async def on_failed(self, delivery: Delivery, handle: JobHandle, reason: str) -> Fail:
        """Nothing has to be put right after a job that failed for good."""
        return Fail(reason)


async def main() -> None:
    """Take jobs until SIGTERM or Ctrl-C; those that run then have 8 s to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = asyncio.Event()
    stop_on_signal(stop)
    url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
    options = Options(queue=QueueName("hello"), redis=RedisAddress(url), concurrency=2)
    worker = Worker(options, Hello())
    logging.info("Waiting for jobs")
    if not await worker.run(stop, timedelta(seconds=8)):
        os._exit(75)  # Redis is away: what still waits for it would keep Python from ending
    logging.info("Stopped")


if __name__ == "__main__":
    asyncio.run(main())
