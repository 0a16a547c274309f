"""A BullMQ consumer that loses nothing. See README.md beside this file."""

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.engine.application import Application, JobHandle
from bullmq_consumer.engine.consumer import Worker
from bullmq_consumer.errors import (
    JobError,
    LockLost,
    RequeueLater,
    RetryableError,
    UnrecoverableError,
    is_transient,
)
from bullmq_consumer.health.attempts import RunningAttempts
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.new_job import JobDefaults, NewJob
from bullmq_consumer.options import Options
from bullmq_consumer.outcome import Done, Fail, FailLater, Outcome, Requeue, Retry, decide
from bullmq_consumer.protocol.commands import Limit
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.address import RedisAddress
from bullmq_consumer.telemetry.tracer import Span, Tracer

__all__ = [
    "Application",
    "Delivery",
    "Done",
    "Fail",
    "FailLater",
    "Fitness",
    "JobDefaults",
    "JobError",
    "JobHandle",
    "Limit",
    "LockLost",
    "NewJob",
    "Options",
    "Outcome",
    "QueueName",
    "RedisAddress",
    "Requeue",
    "RequeueLater",
    "Retry",
    "RetryableError",
    "RunningAttempts",
    "Span",
    "Tracer",
    "UnrecoverableError",
    "Worker",
    "decide",
    "is_transient",
]
