"""The app's BullMQ, in Node: adds jobs, looks at them and reports the queue's events."""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from uuid import uuid4

from sandbox import node
from sandbox.json_lines import JsonLines
from sandbox.processes import PATIENCE_S, Process, SandboxError, logged

Package = Literal["bullmq", "bullmq-5-81", "bullmq-6"]
"""5.58.9, which the app has; 5.81.3; 6.7.0."""

CONSUMER_READY = "ready"


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the queue's event stream. `at` is Redis's clock in epoch ms."""

    name: str
    queue: str
    job_id: str | None
    at: int
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as `Job.fromId` and `getState` show it to the app. Times are epoch ms."""

    id: str
    name: str
    state: str
    data: Any
    opts: Mapping[str, Any]
    progress: Any
    returnvalue: Any
    failed_reason: str | None
    stacktrace: Sequence[str] | None
    attempts_made: int
    attempts_started: int
    stalled_counter: int
    delay: int
    priority: int
    timestamp: int
    processed_on: int | None
    finished_on: int | None
    logs: Sequence[str] = field(default_factory=tuple)


class NodeApp:
    """A Node process with the real `bullmq`; every method may name another queue.

    Methods raise Refused when BullMQ refuses, SandboxError when the process has gone. One that is
    `traced` has `bullmq-otel`.
    """

    def __init__(
        self, redis_url: str, queue: str, package: Package = "bullmq", *, traced: bool = False
    ) -> None:
        self.queue = queue
        self.events: list[Event] = []
        self._target = (package, redis_url, queue, *(["traced"] if traced else []))
        self._folder = Path(tempfile.mkdtemp(prefix="vidfab-app-"))
        self._lines: JsonLines | None = None
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start Node and wait for its first answer."""
        runtime = await node.install()
        command = runtime.command("producer.mjs", *self._target)
        log = self._folder / "producer.log"
        process = Process(command, log, name="Node producer", cwd=runtime.folder, pipes=True)
        self._lines = JsonLines(process, self._hear)
        await self._lines.start()
        await self.version()

    async def close(self) -> None:
        """Close the queues in order and end Node."""
        if self._lines:
            with suppress(SandboxError, TimeoutError):
                await self._ask("close", None, 5)
            await self._lines.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def move_to(self, queue: str) -> None:
        """Go on with another queue: those that were open are closed, their events forgotten."""
        await self._ask("leave", None)
        self.queue = queue
        self.events = []

    async def spans(self) -> list[dict[str, Any]]:
        """What `bullmq-otel` made and has ended: {name, traceId, spanId, attributes}."""
        return await self._ask("spans", None)

    async def version(self) -> str:
        """The version of the bullmq that runs."""
        return (await self._ask("version", None))["version"]

    async def add(
        self,
        name: str,
        data: Mapping[str, Any],
        opts: Mapping[str, Any] | None = None,
        *,
        queue: str | None = None,
    ) -> str:
        """Add a job with exactly these options. Returns its id."""
        return await self._ask("add", queue, name=name, data=data, opts=opts or {})

    async def add_bulk(
        self, jobs: Sequence[Mapping[str, Any]], *, queue: str | None = None
    ) -> list[str]:
        """Add `{name, data, opts}` each. Returns their ids."""
        return await self._ask("addBulk", queue, jobs=jobs)

    async def flow(self, flow: Mapping[str, Any]) -> str:
        """Add `{name, queueName, data, opts, children}`. Returns the parent's id."""
        return await self._ask("flow", None, flow=flow)

    async def schedule(
        self,
        scheduler: str,
        repeat: Mapping[str, Any],
        template: Mapping[str, Any],
        *,
        queue: str | None = None,
    ) -> str:
        """Set up a job scheduler; `template` is `{name, data, opts}`. Returns its job's id."""
        return await self._ask(
            "schedule", queue, scheduler=scheduler, repeat=repeat, template=template
        )

    async def job(
        self, job_id: str, *, logs: bool = False, queue: str | None = None
    ) -> JobView | None:
        """The job now, or None when it is gone."""
        found = await self._ask("job", queue, jobId=job_id, logs=logs)
        return None if found is None else _view(found)

    async def jobs(self, state: str, *, queue: str | None = None) -> list[JobView]:
        """All jobs in one state (waiting, prioritized, delayed, active, completed, failed)."""
        return [_view(found) for found in await self._ask("jobs", queue, state=state)]

    async def counts(self, *, queue: str | None = None) -> dict[str, int]:
        """How many jobs are in each state."""
        return await self._ask("counts", queue)

    async def pause(self, *, queue: str | None = None) -> None:
        await self._ask("pause", queue)

    async def resume(self, *, queue: str | None = None) -> None:
        await self._ask("resume", queue)

    async def is_paused(self, *, queue: str | None = None) -> bool:
        return await self._ask("isPaused", queue)

    async def rate_limit(self, ms: int, *, queue: str | None = None) -> None:
        """Let no job start for `ms`."""
        await self._ask("rateLimit", queue, ms=ms)

    async def remove_rate_limit(self, *, queue: str | None = None) -> None:
        await self._ask("removeRateLimit", queue)

    async def set_global_concurrency(self, concurrency: int, *, queue: str | None = None) -> None:
        await self._ask("setGlobalConcurrency", queue, concurrency=concurrency)

    async def remove_global_concurrency(self, *, queue: str | None = None) -> None:
        await self._ask("removeGlobalConcurrency", queue)

    async def set_global_rate_limit(self, jobs: int, ms: int, *, queue: str | None = None) -> None:
        """At most `jobs` in `ms`. Not in 5.58.9."""
        await self._ask("setGlobalRateLimit", queue, max=jobs, ms=ms)

    async def remove_global_rate_limit(self, *, queue: str | None = None) -> None:
        await self._ask("removeGlobalRateLimit", queue)

    async def workers(self, *, queue: str | None = None) -> list[dict[str, str]]:
        """The workers that Redis's client list shows."""
        return await self._ask("workers", queue)

    async def metrics(
        self, kind: Literal["completed", "failed"], *, queue: str | None = None
    ) -> dict[str, Any]:
        return await self._ask("metrics", queue, type=kind)

    async def board(self, status: str, *, queue: str | None = None) -> dict[str, Any]:
        """What bull-board shows of the queue, with the jobs of one status (`latest`: of all)."""
        return await self._ask("board", queue, status=status)

    async def remove(self, job_id: str, *, queue: str | None = None) -> bool:
        """False when a worker holds it; true too when there is no such job."""
        return await self._ask("remove", queue, jobId=job_id)

    async def retry(
        self,
        job_id: str,
        state: Literal["failed", "completed"] = "failed",
        *,
        queue: str | None = None,
    ) -> None:
        await self._ask("retry", queue, jobId=job_id, state=state)

    async def promote(self, job_id: str, *, queue: str | None = None) -> None:
        """Let a delayed job run now."""
        await self._ask("promote", queue, jobId=job_id)

    async def obliterate(self, *, queue: str | None = None) -> None:
        """Remove the queue with everything in it, active jobs too."""
        await self._ask("obliterate", queue)

    async def observe(self, since: str = "$", *, queue: str | None = None) -> None:
        """Collect the queue's events: from now on, or with "0-0" from the first one kept."""
        await self._ask("observe", queue, since=since)

    async def wait_until_finished(
        self, job_id: str, timeout_s: float = PATIENCE_S, *, queue: str | None = None
    ) -> Any:
        """The return value, by BullMQ's own waiting. Raises Refused with a failed job's reason."""
        asked = {"jobId": job_id, "timeoutMs": round(timeout_s * 1000)}
        return await self._ask("waitUntilFinished", queue, timeout_s + 5, **asked)

    def events_of(self, job_id: str, name: str | None = None) -> list[Event]:
        """The events of one job so far, in the stream's order."""
        return [
            event
            for event in self.events
            if event.job_id == job_id and (name is None or event.name == name)
        ]

    async def wait_for(
        self, job_id: str, name: str, timeout_s: float = PATIENCE_S, *, count: int = 1
    ) -> Event:
        """The job's `count`-th event of that name, past ones included; needs `observe`.

        Raises TimeoutError that lists what was seen instead.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while len(found := self.events_of(job_id, name)) < count:
                    await self._more()
        except TimeoutError:
            seen = [event.name for event in self.events_of(job_id)]
            raise TimeoutError(f"No '{name}' of {job_id} in {timeout_s:g} s, only {seen}") from None
        return found[count - 1]

    async def wait_until(self, holds: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait for events until `holds`; needs `observe`. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                await self._more()

    async def _more(self) -> None:
        if not self._child.open:
            raise self._child.lost()
        await self._news.wait()

    @property
    def _child(self) -> JsonLines:
        if self._lines is None:
            raise SandboxError("The Node producer was not started")
        return self._lines

    async def _ask(
        self, command: str, queue: str | None, timeout_s: float = PATIENCE_S, **args: Any
    ) -> Any:
        return await self._child.ask(command, timeout_s, queue=queue or self.queue, **args)

    def _hear(self, message: dict[str, Any] | None) -> None:
        if message is not None:
            name, job_id = message["event"], message["jobId"]
            event = Event(name, message["queue"], job_id, message["at"], message["args"])
            self.events.append(event)
        # Whoever waits now is woken; whoever waits next waits for the next.
        self._news.set()
        self._news = asyncio.Event()


async def new_consumer(
    redis_url: str,
    queue: str,
    folder: Path,
    *,
    concurrency: int = 1,
    package: Package = "bullmq",
    options: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
) -> Process:
    """A Node worker for the jobs of consumer.mjs, not yet started; it logs `CONSUMER_READY`.

    `options` are BullMQ's own worker options, `env` is added to the environment; the log goes to
    `folder`. Stop the process to let it finish its jobs, kill it to let them stall.
    """
    runtime = await node.install()
    given = (package, redis_url, queue, str(concurrency), json.dumps(options or {}))
    command = runtime.command("consumer.mjs", *given)
    log = folder / f"consumer-{uuid4()}.log"
    environment = {**os.environ, **(env or {})}
    return Process(command, log, name="Node worker", cwd=runtime.folder, env=environment)


async def start_consumer(
    redis_url: str,
    queue: str,
    folder: Path,
    *,
    concurrency: int = 1,
    package: Package = "bullmq",
    options: Mapping[str, Any] | None = None,
) -> Process:
    """The same, ready for work."""
    process = await new_consumer(
        redis_url, queue, folder, concurrency=concurrency, package=package, options=options
    )
    await process.start(logged(process.log, CONSUMER_READY))
    return process


def _view(found: dict[str, Any]) -> JobView:
    return JobView(
        id=found["id"],
        name=found["name"],
        state=found["state"],
        data=found["data"],
        opts=found["opts"],
        progress=found["progress"],
        returnvalue=found["returnvalue"],
        failed_reason=found["failedReason"],
        stacktrace=found["stacktrace"],
        attempts_made=found["attemptsMade"] or 0,
        attempts_started=found["attemptsStarted"] or 0,
        stalled_counter=found["stalledCounter"] or 0,
        delay=found["delay"] or 0,
        priority=found["priority"] or 0,
        timestamp=found["timestamp"],
        processed_on=found["processedOn"],
        finished_on=found["finishedOn"],
        logs=found.get("logs") or (),
    )
