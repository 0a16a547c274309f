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
        raise InvalidData("The job's data is not an object: send a JSON object")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidData(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    first, *others = error.errors(include_url=False, include_context=False, include_input=False)
    field = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    more = f" (and {len(others)} more)" if others else ""
    return f"Invalid job data: '{field}': {reason[:1].lower()}{reason[1:]}{more}"
