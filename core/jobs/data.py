"""Base models of job payloads and results."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from core.errors import InvalidData
from core.paths import PlainId


class JobData(BaseModel):
    """Common payload fields. Keys are camelCase in Redis; unknown ones are ignored."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        str_max_length=100_000,
        hide_input_in_errors=True,
    )

    user_id: PlainId


class JobResult(BaseModel):
    """What a handler returns; becomes `data` of the envelope, with camelCase keys."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    def payload(self) -> dict[str, Any]:
        """The JSON object the app reads; fields that are None are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], data: Any) -> Model:
    """Validate a payload. Raises InvalidData with one sentence that names the first wrong field."""
    if not isinstance(data, dict):
        raise InvalidData(_NO_OBJECT)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise invalid(data, error) from None


def invalid(data: Any, error: ValidationError) -> InvalidData:
    """The error of a payload that does not validate, with a sentence on the first wrong field."""
    if not isinstance(data, dict):
        return InvalidData(_NO_OBJECT)
    first, *others = _complaints(error)
    more = f" (and {len(others)} more)" if others else ""
    return InvalidData(f"Invalid job data: {first}{more}")


def complaints(model: type[BaseModel], data: Any) -> list[str]:
    """A payload's errors, one sentence for each field; empty for a valid payload."""
    if not isinstance(data, dict):
        return [_NO_OBJECT]
    try:
        model.model_validate(data)
    except ValidationError as error:
        return _complaints(error)
    return []


_NO_OBJECT = "The job's data is not an object: send a JSON object"


def _complaints(error: ValidationError) -> list[str]:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return [_sentence(detail["loc"], detail["msg"]) for detail in details]


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    field = ".".join(str(part) for part in location)
    reason = message.removeprefix("Value error, ")
    return f"'{field}': {reason[:1].lower()}{reason[1:]}"
