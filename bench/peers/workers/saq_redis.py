"""saq over Redis; its progress is what a job keeps as `meta`: `saq saq_redis.settings` runs it."""

# pyright: basic, reportMissingImports=false

import asyncio
import os
import sys

from saq import Queue

queue = Queue.from_url(os.environ["REDIS_URL"], name="bench")


async def update_quota(ctx, *, user_id):
    await ctx["job"].update(meta={"percent": 0, "message": "Starting job..."})
    return {"updated": True, "userId": user_id, "auto": True}


settings = {"queue": queue, "functions": [update_quota], "concurrency": 3}


async def add(number):
    await queue.connect()
    for _ in range(number):
        await queue.enqueue("update_quota", user_id="00000000-0000-4000-8000-000000000001")
    await queue.disconnect()


if __name__ == "__main__":
    asyncio.run(add(int(sys.argv[1])))
