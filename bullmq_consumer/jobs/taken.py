"""The types of a registered function, and the data that it takes."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from bullmq_consumer.errors import UnrecoverableError
from bullmq_consumer.jobs.adapters import Adapter, is_json_value, named
from bullmq_consumer.jobs.job import Job, SyncJob
from bullmq_consumer.sanitize.strict_json import as_json

if TYPE_CHECKING:
    from pydantic import ValidationError


class InvalidJobData(UnrecoverableError):
    """The job's data do not fit what its handler takes; `validation` says where, field by field.

    It is None for a job whose hash could not be read, and where a validator of the application
    raised something else than a ValueError or AssertionError.
    """

    def __init__(self, reason: str, validation: "ValidationError | None" = None) -> None:
        super().__init__(reason)
        self.validation = validation


class Taken:
    """The data that a function takes, by the annotation of its first parameter.

    Raises TypeError for a function with another number of `parameters`, or without a job.
    """

    def __init__(
        self, function: Callable[..., Any], hints: dict[str, Any], parameters: int
    ) -> None:
        wanted = Job if inspect.iscoroutinefunction(function) else SyncJob
        self.type = _data_type(function, hints, wanted, parameters)
        self._adapter = Adapter(function, "data", self.type)
        self.is_any = self.type is Any or is_json_value(self.type)

    def parse(self, data: Any) -> Any:
        """The job's data as the function takes it. Raises InvalidJobData, with the field."""
        if self.is_any:
            return data  # it was read from JSON
        from pydantic import ValidationError

        try:
            return self._validated(data)
        except ValidationError as error:
            raise InvalidJobData(_sentence(error), error) from None
        except Exception as error:  # of a validator of the application
            raise InvalidJobData(f"Invalid data: {type(error).__name__}: {error}") from error

    def _validated(self, data: Any) -> Any:
        from pydantic import ValidationError

        try:
            return self._adapter.pydantic.validate_python(data)
        except ValidationError as error:
            try:
                # A strict model takes from JSON what it refuses from Python: a date as a text.
                return self._adapter.pydantic.validate_json(as_json(data))
            except ValueError as second:
                raise (error if _is_no_json(second) else second) from None


def _is_no_json(error: ValueError) -> bool:
    """Whether data could not even be written as JSON, or read from it: no field is named then."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return True
    return any(found["type"] == "json_invalid" for found in error.errors(include_url=False))


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Its annotations by their names. Raises TypeError where one cannot be found."""
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{named(function)}: {error}. Its annotations are needed when it runs: import their"
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
            f"{named(function)}: {kind} takes {wanted.__name__}, as in"
            f" `{kind} {function.__name__}(job: {wanted.__name__}[Data]{more})`"
        )
    arguments = get_args(hint)
    return arguments[0] if arguments else Any


def _sentence(error: "ValidationError") -> str:
    first, *others = error.errors(include_url=False, include_context=False, include_input=False)
    field = ".".join(str(part) for part in first["loc"])
    where = f"'{field}': " if field else ""
    more = f" (and {len(others)} more)" if others else ""
    return f"Invalid data: {where}{first['msg']}{more}"
