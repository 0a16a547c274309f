"""What is said of wrong settings: one line for each variable."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import AliasChoices, BaseModel, ValidationError

from config.environment import Environment
from config.redaction import without_logins, without_queries

# Of an address whose scheme was forgotten.
_LOGIN = re.compile(r"^[^\s/]+@")


def problems(error: ValidationError, model: type[BaseModel], seen: Environment) -> list[str]:
    """Each wrong variable of `model`: its name, what it got (never a secret), what it wants."""
    return [_problem(detail, model, seen) for detail in error.errors()]


def _problem(detail: Any, model: type[BaseModel], seen: Environment) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    if not detail["loc"]:
        return message
    field = field_of(str(detail["loc"][0]), model)
    info = model.model_fields[field]
    variables = list(names(field, model))
    used = next((name for name in variables if name in seen.values), None)
    if used is None:
        looked_in = f" ({seen.looked_in})" if seen.looked_in else ""
        return f"{' or '.join(variables)}: missing{looked_in}, wants {info.description}"
    is_secret = "SecretStr" in str(info.annotation)
    shown = _LOGIN.sub("***@", without_queries(without_logins(seen.values[used])))[:100]
    got = "a value that is kept secret" if is_secret else repr(shown)
    reason = f" ({message})" if detail["type"] == "value_error" else ""
    return f"{used}: got {got}, wants {info.description}{reason}"


def field_of(location: str, model: type[BaseModel]) -> str:
    """The field that a variable sets, of an error's location."""
    for name in model.model_fields:
        if location == name or location in names(name, model):
            return name
    raise KeyError(location)


def names(field: str, model: type[BaseModel]) -> Iterator[str]:
    """The variables that set a field, the first that is set wins."""
    alias = model.model_fields[field].validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return (str(name) for name in choices)
