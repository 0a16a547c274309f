"""The options of one worker."""

import os
import socket
from dataclasses import dataclass, field
from datetime import timedelta

from bullmq_consumer.new_job import JobDefaults
from bullmq_consumer.protocol.commands import Limit, TakeOptions, milliseconds
from bullmq_consumer.protocol.keeping import Keeping
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
    `max_stalled` how many workers a job may outlive before it fails. `max_started_attempts` is how
    often a job may be begun, hand-backs and lost workers included, before it fails; None and 0 are
    no bound. `unknown_backoff` is the pause for a backoff type that only the producer knows.
    `limit` is Node's `limiter`: all workers of a queue should have the same. `remove_on_complete`
    and `remove_on_fail` are for jobs whose own options do not say which of them stay; `new_jobs` is
    for jobs that this worker adds. Raises ValueError for a negative `max_started_attempts`.
    """

    queue: QueueName
    redis: RedisAddress
    name: str = field(default_factory=host_and_pid)
    concurrency: int = 1
    lock: timedelta = LOCK
    stalled_every: timedelta = timedelta(seconds=30)
    max_stalled: int = 1
    max_started_attempts: int | None = None
    unknown_backoff: timedelta = timedelta(seconds=1)
    limit: Limit | None = None
    remove_on_complete: Keeping | None = None
    remove_on_fail: Keeping | None = None
    new_jobs: JobDefaults = field(default_factory=JobDefaults)

    def __post_init__(self) -> None:
        if (self.max_started_attempts or 0) < 0:
            raise ValueError("max_started_attempts is at least 0")

    @property
    def client_name(self) -> str:
        """The connection's name in Node's form; Node does not find the Python port's own form."""
        return f"{self.queue.client_name}:w:{self.name}"

    @property
    def taking(self) -> TakeOptions:
        """What the worker says of itself when it takes and ends jobs."""
        return TakeOptions(
            worker=self.name,
            lock_ms=milliseconds(self.lock),
            metrics_minutes=_METRICS_MINUTES,
            limit=self.limit,
            completed=self.remove_on_complete,
            failed=self.remove_on_fail,
        )
