"""The options of the consumer, from the settings."""

import os
import socket
from datetime import timedelta

from bullmq_consumer.new_job import JobDefaults
from bullmq_consumer.options import Options
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.address import RedisAddress
from config.settings import Settings

WORKER_NAME = f"vidfab-{socket.gethostname()}-{os.getpid()}"
"""Under which the queue knows this worker."""

UNCHECKED = (
    "REDIS_TLS_INSECURE is set: Redis's certificate is not checked, and whoever stands in between "
    "can read and change all jobs"
)

# Two dead workers, such as a deploy's and the next one's, are no reason to fail a job: it goes on
# from its checkpoint. One that kills its workers by itself ends all the same. Node's default is 1.
_MAX_STALLED = 5
_IN_PARTS = {"redis_host", "redis_port", "redis_db", "redis_password"}


def redis_of(settings: Settings) -> RedisAddress:
    """Where the queue is; password included."""
    in_parts = settings.redis_url is None and _IN_PARTS & settings.model_fields_set
    return RedisAddress(
        settings.redis_address(),
        settings.ca_file,
        settings.redis_tls_insecure,
        "REDIS_HOST, REDIS_PORT and REDIS_DB" if in_parts else "BULLMQ_REDIS_URL",
        "REDIS_PASSWORD" if in_parts else "BULLMQ_REDIS_URL",
    )


def queue_of(settings: Settings) -> QueueName:
    """The queue, under BullMQ's own prefix."""
    return QueueName(settings.queue_name)


def job_defaults_of(settings: Settings) -> JobDefaults:
    """The app's own options for its jobs."""
    return JobDefaults(
        attempts=settings.queue_max_retries,
        backoff_ms=settings.queue_retry_delay_ms,
        remove_on_complete=50,
        remove_on_fail=20,
    )


def options_of(settings: Settings) -> Options:
    """The worker's."""
    return Options(
        queue=queue_of(settings),
        redis=redis_of(settings),
        name=WORKER_NAME,
        concurrency=settings.queue_concurrency,
        max_stalled=_MAX_STALLED,
        unknown_backoff=timedelta(milliseconds=settings.queue_retry_delay_ms),
        new_jobs=job_defaults_of(settings),
    )
