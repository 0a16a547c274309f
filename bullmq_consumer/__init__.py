"""Run BullMQ jobs in Python; what a Node producer adds is not lost. See README.md in here."""

from bullmq_consumer.engine.life import ExitCode
from bullmq_consumer.errors import (
    JobError,
    LockLost,
    RequeueLater,
    RetryableError,
    RetryAfter,
    UnrecoverableError,
)
from bullmq_consumer.jobs.handler import Handler, InvalidJobData, SyncHandler
from bullmq_consumer.jobs.job import Job, JobFields, Json, SyncJob
from bullmq_consumer.jobs.observer import Observer
from bullmq_consumer.jobs.registry import Jobs, Middleware
from bullmq_consumer.jobs.stop import AttemptStopped, StopReason
from bullmq_consumer.log_filter import JobLogFilter
from bullmq_consumer.process.run import run
from bullmq_consumer.protocol.commands import Limit
from bullmq_consumer.protocol.keeping import Keep
from bullmq_consumer.redis.clients import RedisUnreachable
from bullmq_consumer.worker import CannotRun, Health, Worker

__version__ = "0.1.0"
"""Semantic: a change that breaks a program raises the second number until 1.0, then the first."""

__all__ = [
    "AttemptStopped",
    "CannotRun",
    "ExitCode",
    "Handler",
    "Health",
    "InvalidJobData",
    "Job",
    "JobError",
    "JobFields",
    "JobLogFilter",
    "Jobs",
    "Json",
    "Keep",
    "Limit",
    "LockLost",
    "Middleware",
    "Observer",
    "RedisUnreachable",
    "RequeueLater",
    "RetryAfter",
    "RetryableError",
    "StopReason",
    "SyncHandler",
    "SyncJob",
    "UnrecoverableError",
    "Worker",
    "run",
]
