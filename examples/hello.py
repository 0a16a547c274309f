"""A worker for the queue "hello", whose jobs a Node app adds: see producer.mjs."""

import logging
import os
import sys
from dataclasses import dataclass

from bullmq_consumer import Job, RetryableError, SyncJob, Worker, run

worker = Worker("hello", os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), concurrency=2)


@dataclass
class Greeting:
    """What Node adds: `{"name": "Ada"}`."""

    name: str


@dataclass
class Letter:
    """What is to be sent."""

    text: str


async def write(name: str) -> str:
    """Take the time that it takes."""
    return f"Hello, {name}!"


@worker.job("greet")
async def greet(job: Job[Greeting]) -> dict[str, str | int]:
    """Write a greeting, and have it sent. The first attempt ends half-way."""
    await job.progress({"percent": 10})
    text = await job.step("write", lambda: write(job.data.name), returns=str)
    if job.attempt == 1:
        raise RetryableError("The stamps have run out")
    await job.progress({"percent": 80})
    await job.add("send", Letter(text), id=f"send_{job.id}")
    return {"greeting": text, "attempt": job.attempt}


@worker.job("send")
def send(job: SyncJob[Letter]) -> dict[str, str]:
    """Send a greeting, in a thread."""
    return {"sent": job.data.text}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    sys.exit(run(worker))
