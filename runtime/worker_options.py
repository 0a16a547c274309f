"""What BullMQ's worker is told, and under which name the queue knows it."""

import base64
import os
import socket
from typing import Any

from redis.asyncio import Redis

from config.settings import Settings
from runtime.redis_client import BLOCK_S
from runtime.scripts import LOCK_MS

# Node's getMetrics() then shows two weeks, its MetricsTime.TWO_WEEKS: 40 to 80 KB of Redis for each
# of completed and failed. They are counted in the script that ends a job anyway; the first end
# after two idle weeks keeps Redis busy for 20 ms, after an idle night for one.
_METRICS_MINUTES = 14 * 24 * 60

# Two dead workers, such as a deploy's and the next one's, are no reason to fail a job: it goes on
# from its checkpoint. One that kills its workers by itself ends all the same. Node's default is 1.
_MAX_STALLED = 5

WORKER_NAME = f"vidfab-{socket.gethostname()}-{os.getpid()}"
"""Under which the queue knows this worker."""


def worker_options(settings: Settings, redis: Redis, backoff: Any) -> dict[str, Any]:
    """As the Node worker's, with one long wait for jobs and more patience with dead workers."""
    return {
        "connection": redis,
        "name": WORKER_NAME,
        "autorun": False,
        "concurrency": settings.queue_concurrency,
        "lockDuration": LOCK_MS,
        "stalledInterval": 30_000,
        "maxStalledCount": _MAX_STALLED,
        "drainDelay": BLOCK_S,
        "runRetryDelay": 2_000,
        "metrics": {"maxDataPoints": _METRICS_MINUTES},
        "settings": {"backoffStrategy": backoff},
    }


def client_name(settings: Settings) -> str:
    """As Node writes it; the Python port leaves the queue's name as it is, and is not found."""
    queue = base64.b64encode(settings.queue_name.encode()).decode()
    return f"bull:{queue}:w:{WORKER_NAME}"
