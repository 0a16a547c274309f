"""The handlers of one queue, by job name. No I/O, no event loop: made when modules load."""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar, overload

from typing_extensions import TypeVar as DefaultTypeVar

from bullmq_consumer.jobs.handler import AnyHandler, Handler, Registered, SyncHandler
from bullmq_consumer.jobs.job import Job, JobFields, SyncJob
from bullmq_consumer.jobs.rules import FAILURE_PAUSE, Rules
from bullmq_consumer.outcome import MAX_SNOOZES

if TYPE_CHECKING:
    from pydantic import JsonValue

D = TypeVar("D")
R = TypeVar("R")
C = DefaultTypeVar("C", default=object)
C_contra = DefaultTypeVar("C_contra", contravariant=True, default=object)

Middleware: TypeAlias = Callable[[JobFields[Any, C], Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""`async def wrap(job, call)`: awaits `call()` for the result as JSON, and returns what is kept.

`job.data` is what came; `call()` validates it, and raises InvalidJobData.
"""


class Register(Protocol[C]):
    """The decorator that `Jobs.job` returns.

    No type checker can refuse `async def` with `SyncJob`, as a coroutine is a result like another
    one: it is a TypeError when the module is imported.
    """

    @overload
    def __call__(
        self, function: Callable[[Job[D, C]], Coroutine[Any, Any, R]]
    ) -> Handler[D, C, R]: ...

    @overload
    def __call__(self, function: Callable[[SyncJob[D, C]], R]) -> SyncHandler[D, C, R]: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A handler with the middleware around it, the outermost first."""

    registered: Registered
    middleware: tuple[Middleware[Any], ...] = ()


class Served(Generic[C_contra]):
    """Handlers that a worker can serve whose dependencies are at least a `C_contra`.

    With `exclude_none` their results have no fields that are None.
    """

    def __init__(self, *, exclude_none: bool = False) -> None:
        self._exclude_none = exclude_none
        self._handlers: dict[str, Registered] = {}
        self._included: list[Served[Any]] = []
        self._middleware: list[Middleware[Any]] = []

    @property
    def own_middleware(self) -> tuple[Middleware[Any], ...]:
        """What was registered here, the outermost first."""
        return tuple(self._middleware)

    def entries(self) -> Mapping[str, Entry]:
        """All handlers by name, those of included ones too.

        Raises TypeError for a name twice, and an isolated one that another process cannot find.
        """
        own = self.own_middleware
        for one in self._handlers.values():
            if one.rules.isolate:
                _ = one.place
        found = {name: Entry(one, own) for name, one in self._handlers.items()}
        for jobs in self._included:
            for name, entry in jobs.entries().items():
                if name in found:
                    first = found[name].registered.function.__module__
                    second = entry.registered.function.__module__
                    raise TypeError(
                        f"Two handlers are called '{name}': rename the one in {second}, or"
                        f" that in {first}"
                    )
                found[name] = Entry(entry.registered, (*own, *entry.middleware))
        return found


class Jobs(Served[C]):
    """Handlers of one queue. A module makes its own, a worker includes them.

    Those of `Jobs()` have no dependencies and are for any worker, those of `Jobs[Deps]()` for one
    whose lifespan yields such `Deps`.
    """

    def job(
        self,
        name: str,
        *,
        timeout: timedelta | None = None,
        isolate: bool = False,
        release_id: bool = False,
        hide_retries: bool = False,
        public_reason: "Callable[[JobFields[JsonValue, C], Exception], str] | None" = None,
        fails_on: Sequence[type[Exception]] = (),
        max_requeues: int = MAX_SNOOZES,
        failure_pause: timedelta = FAILURE_PAUSE,
    ) -> Register[C]:
        """Register the decorated function for jobs called `name`.

        `async def` takes a `Job`, `def` a `SyncJob` and runs in a thread. `timeout` bounds one
        attempt: it cancels; a thread is asked, and reported for as long as it goes on. `isolate`
        runs a `def` in a process of its own, which the limit kills: its death is this attempt's
        failure. The function stands at the top of a module, and has no deps. `release_id`
        removes finished jobs, so that their ids can be added again. `hide_retries` leaves
        `failedReason` empty while an attempt is left. `public_reason(job, error)` makes what it
        says once the job has failed, for apps that print it: the error's own reason is in the log,
        the stack trace and what the hook gets. Of a job that is failed without an attempt
        `str(error)` is the reason that it was stored with. Exceptions of `fails_on` fail the job at
        once. A job that goes back to the queue more than `max_requeues` times burns an attempt.
        While its failure hook cannot succeed it is tried again for a day, `failure_pause` apart at
        most.

        Raises TypeError for a function that fits no job, types that JSON cannot carry, and
        `fails_on` or `public_reason` of another kind. Raises ValueError for a `timeout` that is not
        positive, a `failure_pause` below a second, and `max_requeues` below 0.
        """
        rules = Rules(
            timeout=timeout,
            isolate=isolate,
            release_id=release_id,
            hide_retries=hide_retries,
            public_reason=public_reason,
            fails_on=fails_on,
            max_requeues=max_requeues,
            failure_pause=failure_pause,
            exclude_none=self._exclude_none,
        )

        def register(function: Callable[..., Any]) -> AnyHandler:
            registered = Registered(name, function, rules)
            if name in self._handlers:
                raise TypeError(f"Two handlers are called '{name}': rename one")
            self._handlers[name] = registered
            return (Handler if registered.is_async else SyncHandler)(registered)

        return register  # pyright: ignore[reportReturnType]

    def include(self, *others: Served[C]) -> None:
        """Serve the handlers of `others` too, each with its own middleware inside of this one's."""
        self._included.extend(others)

    def middleware(self, wrap: Middleware[C]) -> Middleware[C]:
        """Wrap each attempt by `wrap(job, call)`: for tracing, error reports, metrics.

        The first registered one is the outermost. A worker's own surrounds attempts, too, for which
        there is no handler. Raises TypeError for what is not `async def`.
        """
        if not inspect.iscoroutinefunction(wrap):
            raise TypeError("A middleware is an `async def` that takes the job and `call`")
        self._middleware.append(wrap)
        return wrap
