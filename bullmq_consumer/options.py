"""The options of one worker."""

import os
import socket
from dataclasses import dataclass, field
from datetime import timedelta

from bullmq_consumer.new_job import JobDefaults
from bullmq_consumer.protocol.commands import Limit, TakeOptions, milliseconds
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.address import RedisAddress
from bullmq_consumer.scripts.queue_scripts import LOCK

# Node's getMetrics() then shows two weeks, its MetricsTime.TWO_WEEKS: 40 to 80 KB of Redis for each
# of completed and failed. The script that ends a job counts them; the first end after two idle
# weeks blocks Redis for 20 ms, after an idle night for one.
_METRICS_MINUTES = 14 * 24 * 60


def host_and_pid() -> str:
    """A worker's name unless it has another one."""
    return f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one worker over one queue. Defaults are Node's where Node has one.

    `name` is shown by Node's `getWorkers()`. `lock` is for how long a job stays this worker's
    without a sign of life, after which `stalled_every` says how often that is looked for, and
    `max_stalled` how many workers a job may outlive before it fails. `unknown_backoff` is the pause
    for a backoff type that only the producer knows. `limit` is Node's `limiter`: all workers of a
    queue should have the same. `new_jobs` is for jobs that this worker adds.
    """

    queue: QueueName
    redis: RedisAddress
    name: str = field(default_factory=host_and_pid)
    concurrency: int = 1
    lock: timedelta = LOCK
    stalled_every: timedelta = timedelta(seconds=30)
    max_stalled: int = 1
    unknown_backoff: timedelta = timedelta(seconds=1)
    limit: Limit | None = None
    new_jobs: JobDefaults = field(default_factory=JobDefaults)

    @property
    def client_name(self) -> str:
        """The connection's name in Node's form; Node does not find the Python port's own form."""
        return f"{self.queue.client_name}:w:{self.name}"

    @property
    def taking(self) -> TakeOptions:
        """What the worker says of itself when it takes jobs."""
        return TakeOptions(
            worker=self.name,
            lock_ms=milliseconds(self.lock),
            metrics_minutes=_METRICS_MINUTES,
            limit=self.limit,
        )
