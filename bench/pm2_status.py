"""What `pm2 status` shows of three workers, real ones under the real PM2, for docs/deploy.md.

`python -m bench.pm2_status > docs/assets/pm2-status.txt`
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from sandbox.redis import RedisServer
from tests.support.pm2 import APP, Pm2


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with RedisServer() as redis, Pm2(_settings(redis), Path(folder)) as pm2:
            await pm2.start()
            await pm2.run("scale", APP, "3")
            sys.stdout.write(await pm2.run("status", "--no-color"))


def _settings(redis: RedisServer) -> dict[str, str]:
    return {
        "BULLMQ_REDIS_URL": redis.url,
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SUPABASE_SERVICE_KEY": "sb_secret_example",
    }


if __name__ == "__main__":
    asyncio.run(main())
