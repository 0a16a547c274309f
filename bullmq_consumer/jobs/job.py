"""One attempt at one job, as handlers get it: `Job` for `async def`, `SyncJob` for `def`."""

import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast, overload

from typing_extensions import TypeVar as DefaultTypeVar

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.errors import check_duration
from bullmq_consumer.jobs.adapters import adapter_of, adapter_of_any, load
from bullmq_consumer.jobs.steps import Steps
from bullmq_consumer.jobs.stop import AttemptStopped, Stop, StopReason
from bullmq_consumer.new_job import NewJob

if TYPE_CHECKING:
    from pydantic import JsonValue, TypeAdapter

D_co = DefaultTypeVar("D_co", covariant=True, default="JsonValue")
X_co = DefaultTypeVar("X_co", covariant=True, default=object)
D = TypeVar("D")
X = TypeVar("X")
T = TypeVar("T")

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | None"
"""What can be written as JSON, as dicts and lists of any such type: JsonValue, which is what was
read, refuses a `dict[str, int]`."""


class JobFields(Generic[D_co, X_co]):
    """What both kinds of job have. `Job[Data]` fits a worker with any dependencies."""

    def __init__(
        self,
        delivery: Delivery,
        data: D_co,
        deps: X_co,
        stop: Stop,
        handle: JobHandle,
        began: float | None = None,
    ) -> None:
        self._delivery = delivery
        self._data = data
        self._deps = deps
        self._stop = stop
        self._handle = handle
        self._began = time.monotonic() if began is None else began

    @property
    def id(self) -> str:
        """The job's id in the queue."""
        return self._delivery.job_id

    @property
    def name(self) -> str:
        """The name that its producer added it by."""
        return self._delivery.name

    @property
    def data(self) -> D_co:
        """Its data, validated before the handler was called."""
        return self._data

    @property
    def deps(self) -> X_co:
        """What the worker's `lifespan` yields."""
        return self._deps

    @property
    def attempt(self) -> int:
        """1 for the first. What went back to the queue without failing does not count."""
        return self._delivery.attempts_made + 1

    @property
    def attempts(self) -> int:
        """How many its producer allows."""
        return self._delivery.attempts

    @property
    def is_last_attempt(self) -> bool:
        """Whether the job fails for good if this attempt fails."""
        return self._delivery.is_last_attempt

    @property
    def stop_reason(self) -> StopReason | None:
        """Why this attempt should end; None to go on."""
        return self._stop.reason

    @property
    def elapsed(self) -> timedelta:
        """Since this attempt began."""
        return timedelta(seconds=time.monotonic() - self._began)

    @property
    def delivery(self) -> Delivery:
        """The engine's record of it, for layers of an application; no handler needs it."""
        return self._delivery

    @property
    def handle(self) -> JobHandle:
        """What the engine does for it in the queue, as `delivery`."""
        return self._handle

    @property
    def _steps(self) -> Steps:
        """Of the attempt: all its jobs share the checkpoint."""
        return Steps(self._delivery.checkpoint, self._handle)


class Job(JobFields[D_co, X_co]):
    """For `async def` handlers. CancelledError is raised at an `await` when it has to end."""

    def holding(self, data: D, deps: X) -> "Job[D, X]":
        """The same attempt with other data and dependencies; kept steps are shared."""
        return Job(self._delivery, data, deps, self._stop, self._handle, self._began)

    def stopped_by(self, stop: Stop) -> "Job[D_co, X_co]":
        """The same attempt with another reason to end."""
        return Job(self._delivery, self._data, self._deps, stop, self._handle, self._began)

    async def progress(self, value: Json) -> None:
        """Publish progress: a number or an object, as Node's `updateProgress`.

        It is sent beside the work, in order, four a second at most: of more, the newest. Raises
        ValueError or TypeError when it is not JSON.
        """
        self._handle.report(value)

    async def log(self, line: str) -> None:
        """Add a line to the job's own log, which Bull Board and Node's `getJobLogs` show."""
        await self._handle.log(line)

    @overload
    async def step(self, name: str, work: Callable[[], Awaitable[T]], *, returns: type[T]) -> T: ...
    @overload
    async def step(
        self, name: str, work: Callable[[], Awaitable[T]], *, returns: "TypeAdapter[T]"
    ) -> T: ...
    async def step(
        self, name: str, work: Callable[[], Awaitable[T]], *, returns: "type[T] | TypeAdapter[T]"
    ) -> T:
        """Run `work` until it has succeeded once, and keep its result with the job.

        Later attempts get the kept result. What a crash or a stop interrupts runs again.
        Raises what `work` raises, and TypeError for a result that is not JSON by `returns`.
        """
        return await self._steps.run(name, work, returns)

    async def check_lock(self) -> None:
        """Ask whether the job is still this worker's, before what cannot be undone.

        Raises LockLost when another worker has it, which ends the attempt.
        """
        await self._handle.fence.check()

    async def add(
        self,
        name: str,
        data: object,
        *,
        id: str,
        queue: str | None = None,
        priority: int | None = None,
        delay: timedelta = timedelta(0),
        attempts: int | None = None,
    ) -> None:
        """Add a job, to this queue or another one of the same Redis and prefix.

        `id` is required, so that a retry does not add it twice: one that is waiting or running
        already stays as it is, a finished one is replaced. `data` is an object: a mapping, a
        dataclass or a model, written by its aliases. `priority` is 1 (first) to 2 097 152; jobs
        without one come first. Raises ValueError or TypeError for what BullMQ could not add so,
        before anything is sent.
        """
        check_duration(delay, "delay")
        await load()
        new = NewJob(
            name,
            id,
            object_of(data),
            priority=priority,
            attempts=attempts,
            delay_ms=delay // timedelta(milliseconds=1),
            queue=queue,
        )
        await self._handle.add_jobs([new])

    @overload
    async def children(self) -> "Mapping[str, JsonValue]": ...
    @overload
    async def children(self, returns: type[T]) -> Mapping[str, T]: ...
    @overload
    async def children(self, returns: "TypeAdapter[T]") -> Mapping[str, T]: ...
    async def children(self, returns: Any = Any) -> Mapping[str, Any]:
        """What the children of a flow's parent returned, by their keys in Redis."""
        await load()
        adapter: TypeAdapter[Any] = adapter_of(returns)
        found = await self._handle.children()
        return {key: adapter.validate_python(value) for key, value in found.items()}

    async def wait_stop(self) -> StopReason:
        """Wait until this attempt should end: for a handler that ends by itself in time."""
        return await self._stop.wait()


class SyncJob(JobFields[D_co, X_co]):
    """For `def` handlers, which run in a thread: it cannot be cancelled, only asked.

    Each method but `raise_if_stopped` waits for the worker's event loop, and raises AttemptStopped
    once the attempt is over for the queue.
    """

    def __init__(
        self,
        job: Job[D_co, X_co],
        wait_for: Callable[[Coroutine[Any, Any, Any]], Any],
    ) -> None:
        super().__init__(job._delivery, job._data, job._deps, job._stop, job._handle, job._began)
        self._job = job
        self._wait_for = wait_for

    def progress(self, value: Json) -> None:
        """As `Job.progress`."""
        self._wait_for(self._job.progress(value))

    def log(self, line: str) -> None:
        """As `Job.log`."""
        self._wait_for(self._job.log(line))

    @overload
    def step(self, name: str, work: Callable[[], T], *, returns: type[T]) -> T: ...
    @overload
    def step(self, name: str, work: Callable[[], T], *, returns: "TypeAdapter[T]") -> T: ...
    def step(self, name: str, work: Callable[[], T], *, returns: "type[T] | TypeAdapter[T]") -> T:
        """As `Job.step`; `work` runs in this thread."""
        if not self._steps.has(name):
            self._wait_for(self._steps.keep(name, work(), returns))
        return self._steps.kept(name, returns)

    def check_lock(self) -> None:
        """As `Job.check_lock`."""
        self._wait_for(self._job.check_lock())

    def add(
        self,
        name: str,
        data: object,
        *,
        id: str,
        queue: str | None = None,
        priority: int | None = None,
        delay: timedelta = timedelta(0),
        attempts: int | None = None,
    ) -> None:
        """As `Job.add`."""
        adding = self._job.add(
            name, data, id=id, queue=queue, priority=priority, delay=delay, attempts=attempts
        )
        self._wait_for(adding)

    @overload
    def children(self) -> "Mapping[str, JsonValue]": ...
    @overload
    def children(self, returns: type[T]) -> Mapping[str, T]: ...
    @overload
    def children(self, returns: "TypeAdapter[T]") -> Mapping[str, T]: ...
    def children(self, returns: Any = Any) -> Mapping[str, Any]:
        """As `Job.children`."""
        return self._wait_for(self._job.children(returns))

    def raise_if_stopped(self) -> None:
        """For long loops. Raises AttemptStopped when the attempt should end."""
        reason = self._stop.reason
        if reason is not None:
            raise AttemptStopped(reason)


def object_of(data: object) -> dict[str, Any]:
    """An object as Node reads it. Raises TypeError for what is none."""
    written = adapter_of_any().dump_python(data, mode="json", by_alias=True)
    if not isinstance(written, dict):
        raise TypeError(f"A job's data are an object, not {type(data).__name__}")
    return cast("dict[str, Any]", written)
