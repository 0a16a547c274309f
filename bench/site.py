"""One queue on a Redis of its own, with the app that fills it and the workers that empty it."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, Self, TypeVar

import psutil
from redis.asyncio import Redis

from bench.contenders import CONCURRENCY, QUEUE, Contender, Job
from sandbox.app import NodeApp
from sandbox.processes import LOOPBACK, Process, SandboxError, logged
from sandbox.redis import RedisServer

# What a worker has to do after its start, or after a job, is done by then.
SETTLE_S = 3.0
# The app's own for jobs of this kind.
OPTIONS: Mapping[str, Any] = {
    "priority": 4,
    "attempts": 3,
    "backoff": {"type": "exponential", "delay": 60_000},
    "removeOnComplete": 50,
    "removeOnFail": 20,
}
_POLL_S = 0.1
# Nothing that is measured keeps the queue as it is for so long.
_STUCK_S = 300
_BULK_JOBS = 1_000
# BullMQ keeps 10,000 events, of which a job writes five.
_KEPT_EVENTS = 10_000_000
_KEY = f"bull:{QUEUE}"

T = TypeVar("T")


class Entry(NamedTuple):
    """An event of the queue. `at_ms` is Redis's clock."""

    at_ms: int
    name: str
    job_id: str
    args: Mapping[str, str]


class Left(NamedTuple):
    """Jobs that have not ended. All have a priority, so none waits in BullMQ's plain list."""

    waiting: int
    delayed: int
    active: int


class Site:
    """Use it as a context; `app` and `redis` connect before any worker does.

    All waits end: they raise SandboxError when a worker has gone or the queue stands still.
    """

    def __init__(self, contender: Contender, concurrency: int = CONCURRENCY) -> None:
        self.server = RedisServer()
        self.app = NodeApp(self.server.url, QUEUE)
        # For commands_sent.py too, which may wait long.
        self.redis: Any = Redis(
            host=LOOPBACK, port=self.server.port, decode_responses=True, socket_timeout=None
        )
        self.workers: list[Process] = []
        self._contender = contender
        self._concurrency = concurrency
        self._added = 0
        self._parts = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as parts:
            await parts.enter_async_context(self.server)
            parts.push_async_callback(self.redis.aclose)
            await parts.enter_async_context(self.app)
            await self.app.counts()  # by now Node has written the queue's own options
            await self.redis.hset(f"{_KEY}:meta", "opts.maxLenEvents", str(_KEPT_EVENTS))
            self._parts = parts.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._parts.aclose()

    async def new_worker(self) -> Process:
        """One more, not yet started; it ends with the site."""
        worker = await self._contender.new(self.server.url, self._concurrency)
        self._parts.push_async_callback(worker.stop)
        self.workers.append(worker)
        return worker

    async def start_workers(self, number: int) -> Sequence[Process]:
        """Several, which have come to rest."""
        for _ in range(number):
            worker = await self.new_worker()
            await worker.start(logged(worker.log, self._contender.ready))
        await asyncio.sleep(SETTLE_S)
        return self.workers

    async def start_worker(self) -> Process:
        """The only one."""
        [worker] = await self.start_workers(1)
        return worker

    async def add(self, *, delay_ms: int = 0, job: Job | None = None) -> str:
        """One job, the contender's own unless given. Returns its id."""
        [one] = self._jobs(1, job or self._contender.job)
        return await self.app.add(one["name"], one["data"], {**one["opts"], "delay": delay_ms})

    async def add_many(self, number: int) -> None:
        for first in range(0, number, _BULK_JOBS):
            bulk = self._jobs(min(_BULK_JOBS, number - first), self._contender.job)
            await self.app.add_bulk(bulk)

    def _jobs(self, number: int, job: Job) -> list[dict[str, Any]]:
        """Ids of their own: this worker frees them, and BullMQ drops a second job of one id."""
        ids = range(self._added, self._added + number)
        self._added += number
        plain = {"name": job.name, "data": job.data}
        return [{**plain, "opts": {**OPTIONS, "jobId": f"j{one}"}} for one in ids]

    async def drain(self) -> None:
        """Wait until no job is left that could run, or does."""
        await self._until(lambda left: not any(left))

    async def run_alone(self, *jobs: Job) -> None:
        """Jobs to their end, at once; those that they add must wait, since the queue is paused."""
        for job in jobs:
            await self.add(job=job)
        await self._until(lambda left: left.waiting == 0)
        await self.app.pause()
        await self._until(lambda left: left.active == 0)

    async def _until(self, holds: Callable[[Left], bool]) -> None:
        last, changed_at = await self._left(), time.monotonic()
        while not holds(last):
            self._check()
            await asyncio.sleep(_POLL_S)
            if (now := await self._left()) != last:
                last, changed_at = now, time.monotonic()
            elif time.monotonic() - changed_at > _STUCK_S:
                raise SandboxError(f"Nothing moves for {_STUCK_S} s, {last}: {self._logs()}")

    async def watch(self, doing: Coroutine[Any, Any, T]) -> T:
        """What `doing` brings, as long as all workers live."""
        task = asyncio.ensure_future(doing)
        try:
            while not (await asyncio.wait([task], timeout=_POLL_S))[0]:
                self._check()
        finally:
            task.cancel()
        return await task

    async def mark(self) -> str:
        """A place in the event stream: its end, now."""
        last = await self.redis.xrevrange(f"{_KEY}:events", count=1)
        return last[0][0] if last else "0-0"

    async def events(self, since: str, completed: int) -> list[Entry]:
        """All after that mark. Raises SandboxError unless `completed` jobs did, and none failed."""
        found = [
            Entry(int(key.split("-")[0]), fields["event"], fields.get("jobId", ""), fields)
            for key, fields in await self.redis.xrange(f"{_KEY}:events", f"({since}")
        ]
        ends = [sum(one.name == name for one in found) for name in ("completed", "failed")]
        if ends != [completed, 0]:
            told = f"{ends[0]} of {completed} jobs completed and {ends[1]} failed"
            raise SandboxError(f"{told}: {self._logs()}")
        return found

    def cpu_s(self) -> float:
        """CPU seconds of all workers so far."""
        times = [psutil.Process(worker.pid).cpu_times() for worker in self.workers]
        return sum(one.user + one.system for one in times)

    async def _left(self) -> Left:
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.zcard(f"{_KEY}:prioritized")
            pipe.zcard(f"{_KEY}:delayed")
            pipe.llen(f"{_KEY}:active")
            return Left(*await pipe.execute())

    def _check(self) -> None:
        for worker in self.workers:
            if not worker.running:
                code = worker.returncode
                raise SandboxError(f"{worker.name} ended with code {code}:\n{worker.log_tail(10)}")

    def _logs(self) -> str:
        """The end of a worker's log, as its file goes with the run."""
        return "\n".join(worker.log_tail(10) for worker in self.workers) or "no worker was started"


def first(entries: Sequence[Entry], name: str) -> int:
    """When the first event of that name was, in ms."""
    return next(one.at_ms for one in entries if one.name == name)


def last(entries: Sequence[Entry], name: str) -> int:
    return next(one.at_ms for one in reversed(entries) if one.name == name)
