"""Runs a handler as a worker would, without Redis: for the tests of applications.

ran = await run_job(send, {"toAddress": "a@b.c"}, deps=Deps(mailer), attempts=3)
assert (ran.state, ran.result) == ("completed", {"messageId": "m1"})
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeVar

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.errors import LockLost
from bullmq_consumer.jobs.dispatcher import Dispatcher
from bullmq_consumer.jobs.final_failure import OnInvalid
from bullmq_consumer.jobs.handler import Handler, SyncHandler
from bullmq_consumer.jobs.job import Json, object_of
from bullmq_consumer.jobs.registry import Entry, Middleware
from bullmq_consumer.jobs.steps import FIELD
from bullmq_consumer.jobs.stop import Stop, StopReason
from bullmq_consumer.new_job import NewJob
from bullmq_consumer.outcome import Done, Fail, FailLater, Outcome, Requeue, Retry, as_written
from bullmq_consumer.sanitize import strict_json

State = Literal["completed", "retrying", "failed", "requeued"]
X = TypeVar("X")


@dataclass(slots=True)
class Ran:
    """What one attempt left behind, everything as JSON.

    `reason` is what a failed attempt leaves as `failedReason`. `delay` is how long the job waits,
    None for the producer's own backoff. `steps` are the kept results, for the next attempt's
    `steps`. `final_failure_pending`: the failure hook failed, and would be tried again after
    `delay`.
    """

    state: State = "completed"
    result: Any = None
    reason: str = ""
    delay: timedelta | None = None
    progress: list[Any] = field(default_factory=list[Any])
    logs: list[str] = field(default_factory=list[str])
    added: list[NewJob] = field(default_factory=list[NewJob])
    steps: dict[str, Any] = field(default_factory=dict[str, Any])
    final_failure_pending: bool = False


async def run_job(
    handler: Handler[Any, X, Any] | SyncHandler[Any, X, Any],
    data: object,
    *,
    deps: X | None = None,
    job_id: str = "test",
    attempt: int = 1,
    attempts: int = 1,
    requeues: int = 0,
    steps: Mapping[str, Json] | None = None,
    children: Mapping[str, Json] | None = None,
    stop: StopReason | None = None,
    middleware: Sequence[Middleware[X]] = (),
    on_invalid: OnInvalid | None = None,
) -> Ran:
    """Run one attempt of a handler by the worker's own rules.

    `data` is what Node sends, as JSON, or a model of it. `attempt` counts from 1, of `attempts` at
    most; `requeues` is how often the job went back before. `steps` are what earlier attempts kept,
    `children` what the children of a flow returned. With `stop` the attempt is asked to end from
    the beginning, as within the grace of a stopping worker.

    Raises TypeError or ValueError for data that are not JSON.
    """
    delivery = Delivery(
        job_id=job_id,
        name=handler.registered.name,
        data=strict_json.read(strict_json.as_json(object_of(data))),
        attempts_made=attempt - 1,
        attempts=attempts,
        checkpoint={FIELD: dict(steps or {})},
        snoozes=requeues,
    )
    entry = Entry(handler.registered, tuple(middleware))
    dispatcher = Dispatcher({delivery.name: entry}, deps, queue="test", on_invalid=on_invalid)
    handle = _Recorded(job_id, children or {}, is_lost=stop is StopReason.LOCK_LOST)
    handle.ran.steps = dict(steps or {})
    stopping = asyncio.Event()
    if stop is StopReason.SHUTDOWN:
        stopping.set()
    until = Stop(stopping, lambda: handle.is_lost)
    if stop is StopReason.TIMEOUT or stop is StopReason.REQUESTED:
        until.ask(stop)
    try:
        outcome = await dispatcher.run_until(until, delivery, handle)
    finally:
        await dispatcher.processes.aclose()
    _note(outcome, delivery, handle.ran)
    return handle.ran


class _Recorded:
    """The handle of an attempt that no queue knows of, and its own fence."""

    def __init__(self, job_id: str, children: Mapping[str, Json], *, is_lost: bool) -> None:
        self.ran = Ran()
        self.job_id = job_id
        self.is_lost = is_lost
        self.fence = self
        self._children = children

    async def check(self) -> None:
        """Raise LockLost if it is."""
        if self.is_lost:
            raise LockLost

    def report(self, progress: Any) -> None:
        """Keep a copy, as JSON."""
        self.ran.progress.append(strict_json.read(strict_json.as_json(progress)))

    async def save_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Keep the steps."""
        await self.check()
        self.ran.steps = strict_json.read(strict_json.as_json(checkpoint)).get(FIELD, {})

    async def log(self, *lines: str) -> None:
        """Keep the lines."""
        self.ran.logs.extend(lines)

    async def children(self) -> Mapping[str, Any]:
        """Those of the test."""
        return self._children

    async def add_jobs(self, jobs: Sequence[NewJob]) -> None:
        """Keep them."""
        await self.check()
        self.ran.added.extend(jobs)


def _note(outcome: Done | Outcome, delivery: Delivery, ran: Ran) -> None:
    if isinstance(outcome, Done):
        written = as_written(outcome, is_last_attempt=delivery.is_last_attempt)
        if isinstance(written, str):
            ran.result = strict_json.read(written)
            return
        outcome = written
    match outcome:
        case Retry():
            ran.state, ran.delay = "retrying", outcome.delay
        case Fail():
            ran.state = "failed"
        case FailLater():
            ran.state, ran.delay, ran.final_failure_pending = "failed", outcome.delay, True
        case Requeue():
            ran.state, ran.delay = "requeued", outcome.delay
    ran.reason = outcome.failed_reason if isinstance(outcome, Fail) else outcome.reason
