"""One test's part of VidFab: a queue, the app beside it, and workers on it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from sandbox.processes import PATIENCE_S, Process
from sandbox.producer import Event, JobView, NodeApp, Package
from sandbox.redis import RedisServer
from sandbox.vidfab import VidFab
from sandbox.worker_process import start_worker
from tests.support.progress import check_events, check_log

Start = Callable[[Mapping[str, str], Path], Awaitable[Process]]
"""Starts a worker with these settings, which logs into this folder, and waits until it is ready."""


@dataclass(frozen=True)
class Ended:
    """A job at its end as its events told it: what frees its id cannot be read any more."""

    state: str
    returnvalue: Any
    failed_reason: str | None
    attempts_made: int


class Site:
    """A fresh queue with the real Node producer and observer on it.

    `told` are the secrets that a test itself puts on the queue. `redis` stands in for VidFab's, for
    tests that stop it. `start` starts its workers. `app` is one that runs already, on that Redis.
    """

    def __init__(
        self,
        vidfab: VidFab,
        folder: Path,
        package: Package = "bullmq",
        *,
        redis: RedisServer | None = None,
        start: Start = start_worker,
        app: NodeApp | None = None,
    ) -> None:
        self.vidfab = vidfab
        self.folder = folder
        self.redis = redis or vidfab.redis
        self.queue = f"q-{uuid4().hex}"
        self.told: set[str] = set()
        self.app = app or NodeApp(self.redis.url, self.queue, package)
        self._borrows_app = app is not None
        self._start = start
        self._parts = AsyncExitStack()

    async def __aenter__(self) -> Self:
        if self._borrows_app:
            await self.app.move_to(self.queue)
        else:
            await self._parts.enter_async_context(self.app)
        await self.app.observe("0-0")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._parts.aclose()

    async def worker(self, **settings: str) -> Process:
        """A worker process on this queue, waiting for jobs; stopped with the test."""
        all_settings = {"BULLMQ_REDIS_URL": self.redis.url, **settings}
        process = await self._start(self.vidfab.settings(self.queue, **all_settings), self.folder)
        self._parts.push_async_callback(process.stop)
        return process

    async def end_of(self, job_id: str, timeout_s: float = PATIENCE_S) -> Event:
        """The `completed` or `failed` event of a job: BullMQ sends one, after the last attempt."""
        ends = [
            asyncio.create_task(self.app.wait_for(job_id, name, timeout_s))
            for name in ("completed", "failed")
        ]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def ended(self, job_id: str, timeout_s: float = PATIENCE_S) -> Ended:
        """The end of a job that need not be there any more."""
        end = await self.end_of(job_id, timeout_s)
        events = [event for event in self.app.events if event.job_id == job_id]
        begun = sum(event.name == "active" for event in events)
        # Handed back or found stalled: neither is an attempt.
        returned = sum(
            event.name == "waiting" and event.args.get("prev") == "active" for event in events
        )
        args = end.args
        return Ended(end.name, args.get("returnvalue"), args.get("failedReason"), begun - returned)

    async def finished(self, job_id: str, timeout_s: float = PATIENCE_S) -> JobView:
        """The job as Node reads it after its end."""
        await self.end_of(job_id, timeout_s)
        job = await self.app.job(job_id)
        assert job is not None, f"{job_id} was removed at its end"
        return job

    async def wait_for_purchase(self, count: int = 1) -> None:
        """Until an image provider was asked for so many pictures."""
        await self.wait_for_requests("/ark/*", count)

    async def wait_for_requests(self, path: str, count: int) -> None:
        """Until the providers were asked so many times for what a glob matches."""
        asked = self.vidfab.providers.control.requests
        async with asyncio.timeout(PATIENCE_S):
            while len(await asked(path)) < count:  # noqa: ASYNC110 (another process)
                await asyncio.sleep(0.02)

    async def wait_for_line(self, process: Process, text: str) -> None:
        """Until the process has logged `text`."""
        async with asyncio.timeout(PATIENCE_S):
            while text not in process.log.read_text("utf-8"):  # noqa: ASYNC110 (a file)
                await asyncio.sleep(0.02)

    async def progressed(self, job_id: str, message: str) -> None:
        """Until the job has shown `message`."""
        async with asyncio.timeout(PATIENCE_S):
            while all(one["message"] != message for one in self.progress(job_id)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def progress(self, job_id: str) -> list[dict[str, Any]]:
        return [event.args["data"] for event in self.app.events_of(job_id, "progress")]

    async def check_progress(self, job_id: str, reported: list[dict[str, Any]]) -> None:
        """The job's events are of what it reported, and its log has it all."""
        check_events(self.progress(job_id), reported)
        await check_log(self.folder, reported)
