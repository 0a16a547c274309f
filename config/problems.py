"""What is said of wrong settings: one line for each variable."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import AliasChoices, BaseModel, SecretStr, ValidationError

from config.environment import Environment
from config.variables import NEWER_KEY

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,20}://", re.IGNORECASE)
# Longer ones are no slip of a number, a word or a path.
_LONGEST_SHOWN = 100


def problems(error: ValidationError, model: type[BaseModel], seen: Environment) -> list[str]:
    """Each wrong variable of `model`: its name, what it got (never a secret), what it wants."""
    return [_problem(detail, model, seen) for detail in error.errors()]


def _problem(detail: Any, model: type[BaseModel], seen: Environment) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    if not detail["loc"]:
        return message
    field = field_of(str(detail["loc"][0]), model)
    info = model.model_fields[field]
    used = read_from(field, model, seen.values)
    if used is None:
        looked_in = f" ({seen.looked_in})" if seen.looked_in else ""
        variables = " or ".join(names(field, model))
        return f"{variables}: missing{looked_in}, wants {info.description}"
    got = _shown(seen.values[used], info.annotation)
    reason = f" ({message})" if detail["type"] == "value_error" else ""
    return f"{used}: got {got}, wants {info.description}{reason}"


def _shown(value: str, annotation: Any) -> str:
    """What may be said of a wrong value: of an address its scheme, of other text nothing.

    Either may be somebody else's address, or a key that was put into the wrong variable.
    """
    if SecretStr.__name__ in str(annotation):
        return "a value that is kept secret"
    if scheme := _SCHEME.match(value):
        return f"'{scheme[0]}…'"
    kinds = {annotation, *get_args(annotation)}
    is_plain = get_origin(annotation) is Literal or kinds & {int, float, bool, Path}
    if is_plain and len(value) <= _LONGEST_SHOWN:
        return repr(value)
    return "a value that is not shown"


def fields_in(error: ValidationError, model: type[BaseModel]) -> set[str]:
    """The fields that an error is about; empty for one about the whole."""
    locations = [detail["loc"] for detail in error.errors()]
    return {field_of(str(location[0]), model) for location in locations if location}


def field_of(location: str, model: type[BaseModel]) -> str:
    """The field that a variable sets, of an error's location."""
    for name in model.model_fields:
        if location == name or location in names(name, model):
            return name
    raise KeyError(location)


def read_from(field: str, model: type[BaseModel], values: Mapping[str, Any]) -> str | None:
    """The variable that a field is read from, None when none of its is set.

    The first that is set, but one of Supabase's newer keys wins over those of the older kind.
    """
    there = [name for name in names(field, model) if name in values]
    newer = (name for name in there if str(values[name]).startswith(NEWER_KEY))
    return next(newer, there[0] if there else None)


def names(field: str, model: type[BaseModel]) -> Iterator[str]:
    """The variables that set a field, in their order of rank."""
    alias = model.model_fields[field].validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return (str(name) for name in choices)
