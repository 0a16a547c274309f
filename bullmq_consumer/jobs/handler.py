"""A registered function: what it takes, what it returns, and how it may fail."""

import inspect
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Any, Generic, TypeAlias, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

from bullmq_consumer.errors import UnrecoverableError, check_duration
from bullmq_consumer.jobs.job import Job, JobFields, SyncJob
from bullmq_consumer.outcome import MAX_SNOOZES
from bullmq_consumer.sanitize.strict_json import as_json

D = TypeVar("D")
X = TypeVar("X")
R = TypeVar("R")
S = TypeVar("S")

FAILURE_PAUSE = timedelta(minutes=10)
"""The longest pause between two tries of a failure hook, unless a job has its own."""

# All tries of a day are listed, and each is a command to Redis.
_SHORTEST_PAUSE = timedelta(seconds=1)

PublicReason: TypeAlias = Callable[[JobFields[Any, Any], Exception], str]
"""What people read of a failed job, by its error."""


class InvalidJobData(UnrecoverableError):
    """The job's data do not fit what its handler takes; `validation` says where, field by field.

    It is None for a job whose hash could not be read, and where a validator of the application
    raised something else than a ValueError or AssertionError.
    """

    def __init__(self, reason: str, validation: ValidationError | None = None) -> None:
        super().__init__(reason)
        self.validation = validation


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How one job name is run. `hide_retries`: no `failedReason` while an attempt is left.

    `public_reason`: what that says at the end, by the job and its error. `exclude_none`: fields
    that are None are left out of its result. `failure_pause`: the longest pause between two tries
    of a failure hook.
    """

    timeout: timedelta | None = None
    isolate: bool = False
    release_id: bool = False
    hide_retries: bool = False
    public_reason: PublicReason | None = None
    fails_on: Sequence[type[Exception]] = ()
    max_requeues: int = MAX_SNOOZES
    exclude_none: bool = False
    failure_pause: timedelta = FAILURE_PAUSE

    def __post_init__(self) -> None:
        """Raise TypeError for the wrong kind of a rule, ValueError for a number out of range."""
        check_duration(self.failure_pause, "failure_pause")
        if self.failure_pause < _SHORTEST_PAUSE:
            raise ValueError(f"failure_pause is at least 1 second, not {self.failure_pause}")
        if self.timeout is not None:
            check_duration(self.timeout, "timeout")
            if self.timeout <= timedelta(0):
                raise ValueError(f"timeout is longer than nothing, not {self.timeout}")
        if self.max_requeues < 0:
            raise ValueError(f"max_requeues is 0 or more, not {self.max_requeues}")
        _check_errors(self.fails_on)
        if inspect.iscoroutinefunction(self.public_reason):
            raise TypeError("public_reason is a `def` that returns a text, not an `async def`")


class Taken:
    """The data that a function takes, by the annotation of its first parameter.

    Raises TypeError for a function with another number of `parameters`, or without a job.
    """

    def __init__(
        self, function: Callable[..., Any], hints: dict[str, Any], parameters: int
    ) -> None:
        wanted = Job if inspect.iscoroutinefunction(function) else SyncJob
        self.type = _data_type(function, hints, wanted, parameters)
        self._adapter = _adapter(function, "data", self.type)

    def parse(self, data: Any) -> Any:
        """The job's data as the function takes it. Raises InvalidJobData, with the field."""
        if self.type is JsonValue:
            return data  # it was read from JSON
        try:
            return self._validated(data)
        except ValidationError as error:
            raise InvalidJobData(_sentence(error), error) from None
        except Exception as error:  # of a validator of the application
            raise InvalidJobData(f"Invalid data: {type(error).__name__}: {error}") from error

    def _validated(self, data: Any) -> Any:
        try:
            return self._adapter.validate_python(data)
        except ValidationError as error:
            try:
                # A strict model takes from JSON what it refuses from Python: a date as a text.
                return self._adapter.validate_json(as_json(data))
            except ValueError as second:
                raise (error if _is_no_json(second) else second) from None


def _is_no_json(error: ValueError) -> bool:
    """Whether data could not even be written as JSON, or read from it: no field is named then."""
    if not isinstance(error, ValidationError):
        return True
    return any(found["type"] == "json_invalid" for found in error.errors(include_url=False))


class FailureHook:
    """What is called before a job fails for good, with the data that it takes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self.takes = Taken(function, _hints(function), parameters=2)


class Registered:
    """A job name's function with its types. Raises TypeError for what no job can be given to."""

    def __init__(self, name: str, function: Callable[..., Any], rules: Rules) -> None:
        self.name = name
        self.function = function
        self.rules = rules
        self.is_async = inspect.iscoroutinefunction(function)
        hints = _hints(function)
        self.takes = Taken(function, hints, parameters=1)
        self._result = _adapter(function, "a result", hints.get("return", Any))
        self.final_failure: FailureHook | None = None
        if rules.isolate:
            _check_isolated(function, hints, is_async=self.is_async)

    def set_hook(self, hook: Callable[..., Any]) -> None:
        """Register what is called before the job fails. Raises TypeError for the wrong kind."""
        kind = "async def" if self.is_async else "def"
        if inspect.iscoroutinefunction(hook) is not self.is_async:
            raise TypeError(f"{_named(hook)}: the hook of a `{kind}` handler is a `{kind}`, too")
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
                f"{_named(self.function)}: isolate imports the handler from the module of its"
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
            return self._result.dump_python(
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


def _check_errors(fails_on: Any) -> None:
    """Raise TypeError for what `isinstance` would refuse once an attempt has failed."""
    if not isinstance(fails_on, Collection) or not all(map(_is_error, cast("Any", fails_on))):
        named = fails_on.__name__ if isinstance(fails_on, type) else repr(cast("Any", fails_on))
        raise TypeError(
            f"fails_on is a tuple of exception types, such as (ValueError,), not {named}"
        )


def _is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exception)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{_named(function)}: {error}. Its annotations are needed when it runs: import their"
            " names outside of `if TYPE_CHECKING`"
        ) from error


def _data_type(
    function: Callable[..., Any],
    hints: dict[str, Any],
    wanted: type[Job[Any, Any] | SyncJob[Any]],
    number: int,
) -> Any:
    parameters = list(inspect.signature(function).parameters)
    hint = hints.get(parameters[0]) if len(parameters) == number else None
    if (get_origin(hint) or hint) is not wanted:
        kind, more = "async def" if wanted is Job else "def", ", reason: str" * (number - 1)
        raise TypeError(
            f"{_named(function)}: {kind} takes {wanted.__name__}, as in"
            f" `{kind} {function.__name__}(job: {wanted.__name__}[Data]{more})`"
        )
    arguments = get_args(hint)
    return arguments[0] if arguments else JsonValue


def _check_isolated(function: Callable[..., Any], hints: dict[str, Any], *, is_async: bool) -> None:
    """Its process imports the module anew, and has nothing of what is opened in this one."""
    if is_async:
        raise TypeError(f"{_named(function)}: isolate is for `def`, not for `async def`")
    if sys.platform == "win32":
        raise TypeError(f"{_named(function)}: isolate needs Linux or macOS, and this is Windows")
    if "<locals>" in function.__qualname__:
        raise TypeError(f"{_named(function)}: isolate wants a function at the top of a module")
    [hint] = [hints[name] for name in inspect.signature(function).parameters]
    if len(get_args(hint)) > 1 and get_args(hint)[1] is not object:
        raise TypeError(
            f"{_named(function)}: an isolated handler has no deps, as they live in another process:"
            " take SyncJob[Data], and open what it needs inside"
        )


def _adapter(function: Callable[..., Any], what: str, annotation: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(annotation)
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation) as error:
        raise TypeError(
            f"{_named(function)}: JSON cannot carry {what} of type {annotation!r}"
        ) from error


def _named(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _sentence(error: ValidationError) -> str:
    first, *others = error.errors(include_url=False, include_context=False, include_input=False)
    field = ".".join(str(part) for part in first["loc"])
    where = f"'{field}': " if field else ""
    more = f" (and {len(others)} more)" if others else ""
    return f"Invalid data: {where}{first['msg']}{more}"
