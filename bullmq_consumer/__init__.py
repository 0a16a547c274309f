"""Run BullMQ jobs in Python; what a Node producer adds is not lost. See README.md in here."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bullmq_consumer.engine.life import ExitCode
    from bullmq_consumer.errors import (
        JobError,
        LockLost,
        RequeueLater,
        RetryableError,
        RetryAfter,
        UnrecoverableError,
    )
    from bullmq_consumer.jobs.handler import Handler, SyncHandler
    from bullmq_consumer.jobs.job import Job, JobFields, Json, SyncJob
    from bullmq_consumer.jobs.observer import Observer
    from bullmq_consumer.jobs.registry import Jobs, Middleware
    from bullmq_consumer.jobs.stop import AttemptStopped, StopReason
    from bullmq_consumer.jobs.taken import InvalidJobData
    from bullmq_consumer.log_filter import JobLogFilter
    from bullmq_consumer.new_job import NewJob
    from bullmq_consumer.outcome import Done, Fail, FailLater, Outcome, Requeue, Retry
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
    "Done",
    "ExitCode",
    "Fail",
    "FailLater",
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
    "NewJob",
    "Observer",
    "Outcome",
    "RedisUnreachable",
    "Requeue",
    "RequeueLater",
    "Retry",
    "RetryAfter",
    "RetryableError",
    "StopReason",
    "SyncHandler",
    "SyncJob",
    "UnrecoverableError",
    "Worker",
    "run",
]

# Where these names are, each loaded when it is asked for: a program that uses a part of the package
# does not start with all of it.
_MODULES = {
    "AttemptStopped": "bullmq_consumer.jobs.stop",
    "CannotRun": "bullmq_consumer.worker",
    "Done": "bullmq_consumer.outcome",
    "ExitCode": "bullmq_consumer.engine.life",
    "Fail": "bullmq_consumer.outcome",
    "FailLater": "bullmq_consumer.outcome",
    "Handler": "bullmq_consumer.jobs.handler",
    "Health": "bullmq_consumer.worker",
    "InvalidJobData": "bullmq_consumer.jobs.taken",
    "Job": "bullmq_consumer.jobs.job",
    "JobError": "bullmq_consumer.errors",
    "JobFields": "bullmq_consumer.jobs.job",
    "JobLogFilter": "bullmq_consumer.log_filter",
    "Jobs": "bullmq_consumer.jobs.registry",
    "Json": "bullmq_consumer.jobs.job",
    "Keep": "bullmq_consumer.protocol.keeping",
    "Limit": "bullmq_consumer.protocol.commands",
    "LockLost": "bullmq_consumer.errors",
    "Middleware": "bullmq_consumer.jobs.registry",
    "NewJob": "bullmq_consumer.new_job",
    "Observer": "bullmq_consumer.jobs.observer",
    "Outcome": "bullmq_consumer.outcome",
    "RedisUnreachable": "bullmq_consumer.redis.clients",
    "Requeue": "bullmq_consumer.outcome",
    "RequeueLater": "bullmq_consumer.errors",
    "Retry": "bullmq_consumer.outcome",
    "RetryAfter": "bullmq_consumer.errors",
    "RetryableError": "bullmq_consumer.errors",
    "StopReason": "bullmq_consumer.jobs.stop",
    "SyncHandler": "bullmq_consumer.jobs.handler",
    "SyncJob": "bullmq_consumer.jobs.job",
    "UnrecoverableError": "bullmq_consumer.errors",
    "Worker": "bullmq_consumer.worker",
    "run": "bullmq_consumer.process.run",
}


def _public(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # a checker would take any name for one of the package's
    __getattr__ = _public
