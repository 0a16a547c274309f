"""A registered function: what it takes, what it returns, and how it may fail."""

import inspect
import sys
from collections.abc import Awaitable, Callable
from types import ModuleType, NoneType
from typing import Any, Generic, TypeVar, get_args

from bullmq_consumer.errors import UnrecoverableError
from bullmq_consumer.jobs.adapters import Adapter, named
from bullmq_consumer.jobs.job import Job, SyncJob
from bullmq_consumer.jobs.rules import Rules
from bullmq_consumer.jobs.taken import Taken, hints_of

D = TypeVar("D")
X = TypeVar("X")
R = TypeVar("R")
S = TypeVar("S")


class FailureHook:
    """What is called before a job fails for good, with the data that it takes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self.takes = Taken(function, hints_of(function), parameters=2)


class Registered:
    """A job name's function with its types. Raises TypeError for what no job can be given to."""

    def __init__(self, name: str, function: Callable[..., Any], rules: Rules) -> None:
        self.name = name
        self.function = function
        self.rules = rules
        self.is_async = inspect.iscoroutinefunction(function)
        hints = hints_of(function)
        self.takes = Taken(function, hints, parameters=1)
        returns = hints.get("return", Any)
        self._result = Adapter(function, "a result", returns)
        self.needs_pydantic = not (self.takes.is_any and returns is NoneType)
        self.final_failure: FailureHook | None = None
        if rules.isolate:
            _check_isolated(function, hints, is_async=self.is_async)

    def set_hook(self, hook: Callable[..., Any]) -> None:
        """Register what is called before the job fails. Raises TypeError for the wrong kind."""
        kind = "async def" if self.is_async else "def"
        if inspect.iscoroutinefunction(hook) is not self.is_async:
            raise TypeError(f"{named(hook)}: the hook of a `{kind}` handler is a `{kind}`, too")
        self.final_failure = FailureHook(hook)

    @property
    def place(self) -> tuple[str, str]:
        """Where another process finds the handler: its module, and its name in there.

        Raises TypeError for one that its module does not hold.
        """
        module = sys.modules.get(self.function.__module__)
        name = None if module is None else self._name_in(module)
        if name is None:
            raise TypeError(
                f"{named(self.function)}: isolate imports the handler from the module of its"
                " function, which does not hold it: bind what `job(…)` returns there"
            )
        return self.function.__module__, name

    def _name_in(self, module: ModuleType) -> str | None:
        """Its function's own, or else another one by which the module holds it."""
        if module.__name__ == "__main__" and not hasattr(module, "__file__"):
            return None  # typed in, or `python -c`: nothing to import
        own: Any = module
        for part in self.function.__qualname__.split("."):
            own = getattr(own, part, None)
        if self._is_mine(own):
            return self.function.__qualname__
        return next((name for name, one in vars(module).items() if self._is_mine(one)), None)

    def _is_mine(self, found: Any) -> bool:
        return isinstance(found, SyncHandler) and found.registered is self  # pyright: ignore

    def written(self, result: Any) -> Any:
        """A result as Node reads it. Raises UnrecoverableError for one that is not JSON."""
        if result is None:
            return None
        try:
            return self._result.pydantic.dump_python(
                result,
                mode="json",
                by_alias=True,
                exclude_none=self.rules.exclude_none,
                warnings="error",
            )
        except ValueError as error:
            what = (
                f"{self.name} returned {type(result).__name__}, which its annotation does not say"
            )
            raise UnrecoverableError(what) from error


class Handler(Generic[D, X, R]):
    """An `async def` handler, callable as before: a unit test may call it with a job."""

    def __init__(self, registered: Registered) -> None:
        self.registered = registered

    async def __call__(self, job: Job[D, X]) -> R:
        """Run the function alone, without the worker's rules."""
        return await self.registered.function(job)

    def on_final_failure(
        self, hook: Callable[[Job[S, X], str], Awaitable[None]]
    ) -> Callable[[Job[S, X], str], Awaitable[None]]:
        """Register `hook(job, reason)`: no attempt is left, or none can succeed.

        It runs before BullMQ hears of the failure, and again until it succeeds. It gets the data
        that its own annotation says: a model with no more than what it needs has it run for data,
        too, which the handler's own refuses. For data that do not fit the hook's see
        `Worker.on_invalid`. Raises TypeError for a function that is no such hook.
        """
        self.registered.set_hook(hook)
        return hook


class SyncHandler(Generic[D, X, R]):
    """A `def` handler, callable as before."""

    def __init__(self, registered: Registered) -> None:
        self.registered = registered

    def __call__(self, job: SyncJob[D, X]) -> R:
        """Run the function alone, in this thread, without the worker's rules."""
        return self.registered.function(job)

    def on_final_failure(
        self, hook: Callable[[SyncJob[S, X], str], None]
    ) -> Callable[[SyncJob[S, X], str], None]:
        """As `Handler.on_final_failure`; the hook is a `def` and runs in a thread."""
        self.registered.set_hook(hook)
        return hook


AnyHandler = Handler[Any, Any, Any] | SyncHandler[Any, Any, Any]


def _check_isolated(function: Callable[..., Any], hints: dict[str, Any], *, is_async: bool) -> None:
    """Its process imports the module anew, and has nothing of what is opened in this one."""
    if is_async:
        raise TypeError(f"{named(function)}: isolate is for `def`, not for `async def`")
    if sys.platform == "win32":
        raise TypeError(f"{named(function)}: isolate needs Linux or macOS, and this is Windows")
    if "<locals>" in function.__qualname__:
        raise TypeError(f"{named(function)}: isolate wants a function at the top of a module")
    [hint] = [hints[name] for name in inspect.signature(function).parameters]
    if len(get_args(hint)) > 1 and get_args(hint)[1] is not object:
        raise TypeError(
            f"{named(function)}: an isolated handler has no deps, as they live in another process:"
            " take SyncJob[Data], and open what it needs inside"
        )
