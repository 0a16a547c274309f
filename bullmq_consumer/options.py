"""The options of one worker."""

import os
import socket
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis

from bullmq_consumer.new_job import JobDefaults
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.address import RedisAddress
from bullmq_consumer.redis.clients import BLOCK_S
from bullmq_consumer.scripts.queue_scripts import LOCK

# Node's getMetrics() then shows two weeks, its MetricsTime.TWO_WEEKS: 40 to 80 KB of Redis for each
# of completed and failed. The script that ends a job counts them; the first end after two idle
# weeks blocks Redis for 20 ms, after an idle night for one.
_METRICS_MINUTES = 14 * 24 * 60


def _host_and_pid() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one worker over one queue. Defaults are Node's where Node has one.

    `name` is shown by Node's `getWorkers()`. `lock` is how long a job stays this worker's
    without a renewal, `stalled_every` the interval of the check for expired locks, and
    `max_stalled` how often a job may stall before it fails. `unknown_backoff` is the pause for a
    backoff type that only the producer knows. `new_jobs` is for jobs that this worker adds.
    """

    queue: QueueName
    redis: RedisAddress
    name: str = field(default_factory=_host_and_pid)
    concurrency: int = 1
    lock: timedelta = LOCK
    stalled_every: timedelta = timedelta(seconds=30)
    max_stalled: int = 1
    unknown_backoff: timedelta = timedelta(seconds=1)
    new_jobs: JobDefaults = field(default_factory=JobDefaults)

    @property
    def client_name(self) -> str:
        """The connection's name in Node's form; Node does not find the Python port's own form."""
        return f"{self.queue.client_name}:w:{self.name}"

    def of_library(self, redis: Redis, backoff: Any) -> dict[str, Any]:
        """Options for the library's own worker: one long wait for jobs, and metrics on."""
        return {
            "connection": redis,
            "prefix": self.queue.prefix,
            "name": self.name,
            "autorun": False,
            "concurrency": self.concurrency,
            "lockDuration": _ms(self.lock),
            "stalledInterval": _ms(self.stalled_every),
            "maxStalledCount": self.max_stalled,
            "drainDelay": BLOCK_S,
            "runRetryDelay": 2_000,
            "metrics": {"maxDataPoints": _METRICS_MINUTES},
            "settings": {"backoffStrategy": backoff},
        }


def _ms(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
