"""The worker of `bullmq`, the Python port of BullMQ: without a number it runs, with one it adds."""

# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

import asyncio
import os
import sys
from uuid import uuid4

from bullmq import Queue, Worker

OPTIONS = {
    "priority": 4,
    "attempts": 3,
    "backoff": {"type": "exponential", "delay": 60_000},
    "removeOnComplete": 50,
    "removeOnFail": 20,
}
DATA = {"userId": "00000000-0000-4000-8000-000000000001", "operation": "add"}
CONNECTION = {"connection": os.environ["REDIS_URL"]}
TOGETHER = 500


async def update_quota(job, token):
    await job.updateProgress({"percent": 0, "message": "Starting job..."})
    return {"updated": True, "userId": job.data["userId"], "auto": True}


async def run():
    Worker("bench", update_quota, {**CONNECTION, "concurrency": 3})
    await asyncio.Event().wait()


async def add(number):
    queue = Queue("bench", CONNECTION)
    for first in range(0, number, TOGETHER):
        jobs = range(min(TOGETHER, number - first))
        await queue.addBulk([one_job() for _ in jobs])
    await queue.close()


def one_job():
    return {"name": "update_quota", "data": DATA, "opts": {**OPTIONS, "jobId": f"j{uuid4().hex}"}}


if __name__ == "__main__":
    asyncio.run(add(int(sys.argv[1])) if sys.argv[1:] else run())
