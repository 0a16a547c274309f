"""A worker of one queue, with the handlers that it serves."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import TypeVar as DefaultTypeVar

from bullmq_consumer.engine.consumer import Consumer
from bullmq_consumer.engine.life import ExitCode, Life
from bullmq_consumer.errors import check_duration
from bullmq_consumer.jobs.dispatcher import Dispatcher, Unknown
from bullmq_consumer.jobs.job import Job
from bullmq_consumer.jobs.observer import Observer
from bullmq_consumer.jobs.registry import Entry, Jobs
from bullmq_consumer.options import Options, host_and_pid
from bullmq_consumer.protocol.commands import Limit
from bullmq_consumer.protocol.keeping import Keeping
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis import clients as redis_client
from bullmq_consumer.redis.address import RedisAddress
from bullmq_consumer.scripts.queue_scripts import LOCK
from bullmq_consumer.telemetry.tracer import NO_TRACER, Tracer

if TYPE_CHECKING:
    from pydantic import JsonValue

C = DefaultTypeVar("C", default=object)

GRACE = timedelta(seconds=8)
"""For running jobs at a stop: below the 10 s after which Docker and Cloud Run kill."""

_LOOK_EVERY_S = 0.05
# For how long a Redis may refuse a drain to take a job: it may be about to have room again.
_REFUSED_S = 30.0
_SCHEMES = ("redis", "rediss", "unix")


@dataclass(frozen=True, slots=True)
class Health:
    """A worker's health. `live`: it need not be restarted; `ready`: it takes jobs, or could.

    `why_not` is one line for operators when one of them is False.
    """

    live: bool
    ready: bool
    running: int
    last_fetch: datetime | None = None
    why_not: str = ""


class CannotRun(RuntimeError):
    """A worker cannot run as it stands; the message says why."""


class Worker(Jobs[C]):
    """Takes, runs and ends the jobs of one queue. Made when a module loads; connects when it runs.

    `redis` is its address: `redis://`, or `rediss://` with TLS. `lifespan` is entered before the
    first job and left after the last one; handlers get what it yields as `job.deps`. `concurrency`
    is how many jobs run at a time. `grace` is how long running jobs have to end at a stop, before
    they are cancelled and go back. `lock` is how long a job stays this worker's without a sign of
    life, `max_stalled` how many workers a job may outlive, and `max_started_attempts` how often it
    may begin in all. `limiter` is Node's: the workers of one queue should have the same.
    `remove_on_complete` and `remove_on_fail` are for jobs that say nothing of it themselves. `name`
    is shown by Node's `getWorkers()`. `unknown` is what becomes of jobs whose name no handler has:
    back to the queue, 20 times, or fail.

    For an application with more around its handlers: `scope` is entered for each attempt, before
    its data are validated; it has what the lifespan yields as `job.deps`, and handlers and hooks
    get what it yields itself. `observer` learns what becomes of attempts, in place of the log.
    `scrub` takes secrets out of reasons and traces before they are kept. `exclude_none` leaves
    fields that are None out of the results of the worker's own handlers; those of included `Jobs`
    follow their own. `tracer` makes spans of attempts.

    Raises ValueError for an address that is none, TypeError for seconds as a number.
    """

    def __init__(
        self,
        queue: str,
        redis: str,
        *,
        lifespan: Callable[[], AbstractAsyncContextManager[C]] | None = None,
        concurrency: int = 1,
        grace: timedelta = GRACE,
        lock: timedelta = LOCK,
        max_stalled: int = 1,
        max_started_attempts: int | None = None,
        limiter: Limit | None = None,
        remove_on_complete: Keeping | None = None,
        remove_on_fail: Keeping | None = None,
        prefix: str = "bull",
        name: str | None = None,
        unknown: Unknown = "requeue",
        scope: "Callable[[Job[JsonValue, Any]], AbstractAsyncContextManager[C]] | None" = None,
        observer: Observer[C] | None = None,
        scrub: Callable[[str], str] | None = None,
        exclude_none: bool = False,
        tracer: Tracer | None = None,
    ) -> None:
        super().__init__(exclude_none=exclude_none)
        _check_address(redis)
        for value, called in ((grace, "grace"), (lock, "lock")):
            check_duration(value, called)
        if concurrency < 1:
            raise ValueError(f"concurrency is how many jobs run at a time, not {concurrency}")
        self.options = Options(
            queue=QueueName(queue, prefix),
            redis=RedisAddress(redis),
            concurrency=concurrency,
            lock=lock,
            max_stalled=max_stalled,
            max_started_attempts=max_started_attempts,
            remove_on_complete=remove_on_complete,
            remove_on_fail=remove_on_fail,
            limit=limiter,
            name=name or host_and_pid(),
        )
        self._lifespan = lifespan or cast("Callable[[], AbstractAsyncContextManager[C]]", _nothing)
        self._grace = grace
        self._unknown: Unknown = unknown
        self._scope = scope
        self._observer = observer
        self._scrub = scrub
        self._tracer = tracer or NO_TRACER
        self._invalid: Callable[[Job[Any, Any], str], Awaitable[None]] | None = None
        self._is_open = False
        self._life: Life | None = None
        self._dispatcher: Dispatcher | None = None
        self._stop: asyncio.Event | None = None
        self._living: asyncio.Task[ExitCode] | None = None

    def on_invalid(
        self, hook: "Callable[[Job[JsonValue, C], str], Awaitable[None]]"
    ) -> "Callable[[Job[JsonValue, C], str], Awaitable[None]]":
        """Register `hook(job, reason)` for jobs that fail because no handler can be called.

        Their data do not validate, their hash cannot be read, or nobody has their name. `job.data`
        is what came.
        """
        if not inspect.iscoroutinefunction(hook):
            raise TypeError("on_invalid wants an `async def` that takes a Job and a reason")
        self._invalid = hook
        return hook

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Take jobs inside of the block, in an application with an event loop of its own.

        It installs no signal handlers and does not wait for Redis: see `health()`. Raises CannotRun
        when there is no handler or it runs already, and what the lifespan raises.
        """
        async with self._opened() as life:
            self._stop = asyncio.Event()
            living = asyncio.create_task(life.live(self._stop))
            self._living = living
            try:
                yield
            finally:
                await self.stop()

    async def serve(self, stop: asyncio.Event) -> ExitCode:
        """Take jobs until `stop` is set. Raises as `running` does."""
        async with self._opened() as life:
            return await life.live(stop)

    async def drain(self, stop: asyncio.Event | None = None) -> int:
        """Run what waits, until nothing is left that could run now; returns how many attempts ran.

        Jobs that wait for their time stay, and so does a queue that a rate limit holds up. It ends
        early when `stop` is set. Raises RedisUnreachable, CannotRun when it could not go on, and as
        `running` does.
        """
        ending = asyncio.Event()
        async with self._opened() as life:
            await redis_client.check(self.options.redis)
            looking = asyncio.create_task(_set_when_drained(life.consumer, ending))
            following = asyncio.create_task(_follow(stop, ending))
            try:
                code = await life.live(ending)
            finally:
                looking.cancel()
                following.cancel()
            if code is not ExitCode.STOPPED:
                raise CannotRun(life.why_not or "Redis was away when the worker stopped")
            if looking.done() and not looking.cancelled():
                looking.result()
            return self.ended

    async def stop(self) -> None:
        """Take no more jobs, give running ones `grace`, cancel and hand back what remains.

        Ends what `running` began; no attempt is burnt.
        """
        if self._stop is not None and self._living is not None:
            self._stop.set()
            await asyncio.shield(self._living)

    def cancel(self, job_id: str) -> bool:
        """Have the attempt at a job end, if it runs here: it has failed then."""
        return self._dispatcher is not None and self._dispatcher.cancel(job_id)

    def health(self) -> Health:
        """Whether it lives and takes jobs, for a health page. Asks nobody."""
        life = self._life
        if life is None:
            return Health(live=True, ready=False, running=0, why_not="It does not run")
        consumer = life.consumer
        stops = "The worker stops" if life.is_stopping else ""
        why_not = life.why_not or stops or consumer.why_not
        return Health(
            live=not life.is_stuck,
            ready=not (why_not or life.is_stuck),
            running=consumer.running,
            last_fetch=consumer.last_fetch_at,
            why_not=why_not,
        )

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[Life]:
        """Inside of the lifespan, with a consumer that is not started."""
        if self._is_open:
            raise CannotRun(f"The worker of {self.options.queue.name} runs already")
        entries = self.entries()
        if not entries:
            raise CannotRun(f"The worker of {self.options.queue.name} has no handler: add a @job")
        self._is_open = True
        try:
            async with self._lived(entries) as life:
                yield life
        finally:
            self._is_open = False

    @asynccontextmanager
    async def _lived(self, entries: Mapping[str, Entry]) -> AsyncGenerator[Life]:
        async with self._lifespan() as deps:
            dispatcher = Dispatcher(
                entries,
                deps,
                queue=self.options.queue.name,
                middleware=self.own_middleware,
                unknown=self._unknown,
                on_invalid=self._invalid,
                scope=self._scope,
                observer=self._observer,
                scrub=self._scrub,
            )
            self._dispatcher = dispatcher
            consumer = Consumer(self.options, dispatcher, tracer=self._tracer)
            self._life = Life(consumer, self.options.redis, self._grace)
            try:
                yield self._life
            finally:
                await dispatcher.processes.aclose()
                self._life = None
                self._stop = self._living = None

    @property
    def ended(self) -> int:
        """How many attempts have ended, since it began to run."""
        return 0 if self._dispatcher is None else self._dispatcher.ended

    @property
    def threads_left(self) -> int:
        """How many threads of `def` handlers go on although their attempts are over."""
        return 0 if self._dispatcher is None else len(self._dispatcher.threads.left)


async def _set_when_drained(consumer: Consumer, stop: asyncio.Event) -> None:
    """Raises CannotRun when Redis refuses to give a job for too long."""
    refused_s = 0.0
    while not consumer.is_drained and refused_s < _REFUSED_S:
        await asyncio.sleep(_LOOK_EVERY_S)
        refused_s = refused_s + _LOOK_EVERY_S if consumer.refusal else 0.0
    stop.set()
    if refused_s >= _REFUSED_S:
        raise CannotRun(f"Redis refuses to give a job: {consumer.refusal}")


async def _follow(stop: asyncio.Event | None, ending: asyncio.Event) -> None:
    if stop is not None:
        await stop.wait()
        ending.set()


def _check_address(redis: str) -> None:
    """Without showing it: it may hold a password."""
    scheme, _, place = redis.partition("://")
    if scheme not in _SCHEMES or not place:
        raise ValueError("The address of Redis begins with redis://, rediss:// or unix://")


@asynccontextmanager
async def _nothing() -> AsyncGenerator[None]:
    yield
