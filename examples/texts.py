"""A worker for the queue "texts": work that blocks, in a thread and in a process of its own.

Node adds jobs as `queue.add("pack", { parts: ["…"] })` and
`queue.add("search", { pattern: "a+b", text: "…" })`.
"""

import logging
import os
import re
import sys
import zlib
from dataclasses import dataclass
from datetime import timedelta

from bullmq_consumer import SyncJob, UnrecoverableError, Worker, run

worker = Worker("texts", os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), concurrency=4)


@dataclass
class Texts:
    """What is to be packed."""

    parts: list[str]


@dataclass
class Search:
    """A regular expression, which a user wrote, and where it is looked for."""

    pattern: str
    text: str


@worker.job("pack")
def pack(job: SyncJob[Texts]) -> dict[str, int]:
    """Compress texts, in a thread. Between two parts it looks whether it should end."""
    packer, size = zlib.compressobj(), 0
    for number, part in enumerate(job.data.parts, 1):
        job.raise_if_stopped()
        size += len(packer.compress(part.encode()))
        job.progress(100 * number // len(job.data.parts))
    return {"bytes": size + len(packer.flush())}


@worker.job("search", isolate=True, timeout=timedelta(seconds=5))
def search(job: SyncJob[Search]) -> list[str]:
    """Find what fits the pattern.

    `re` keeps the interpreter to itself for as long as it searches, which may be for ever: it has
    a process of its own, that the limit kills.
    """
    try:
        pattern = re.compile(job.data.pattern)
    except re.error as error:
        raise UnrecoverableError(f"The pattern cannot be read: {error}") from error
    return [found[0] for found in pattern.finditer(job.data.text)]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    sys.exit(run(worker))
