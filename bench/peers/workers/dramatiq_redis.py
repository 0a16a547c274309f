"""dramatiq over Redis, with results; it has no progress: `dramatiq` runs it."""

# pyright: basic, reportMissingImports=false

import os
import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

URL = os.environ["REDIS_URL"]
broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL)))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def update_quota(user_id):
    return {"updated": True, "userId": user_id, "auto": True}


if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        update_quota.send("00000000-0000-4000-8000-000000000001")
