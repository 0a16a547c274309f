"""taskiq over a stream of Redis, with results and its own progress: `taskiq worker` runs it."""

# pyright: basic, reportMissingImports=false

import asyncio
import os
import sys
from typing import Annotated

from taskiq import TaskiqDepends
from taskiq.depends.progress_tracker import ProgressTracker
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

URL = os.environ["REDIS_URL"]
results = RedisAsyncResultBackend(redis_url=URL, result_ex_time=600)
broker = RedisStreamBroker(url=URL).with_result_backend(results)


@broker.task
async def update_quota(user_id: str, progress: Annotated[ProgressTracker, TaskiqDepends()]) -> dict:
    await progress.set_progress("STARTED", {"percent": 0, "message": "Starting job..."})
    return {"updated": True, "userId": user_id, "auto": True}


async def add(number):
    await broker.startup()
    for _ in range(number):
        await update_quota.kiq("00000000-0000-4000-8000-000000000001")
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(add(int(sys.argv[1])))
