"""Redacts jobs for display: no secrets, and no signed addresses unless requested."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from config.logging.redaction import redactor, without_logins, without_queries
from config.settings import Settings

_SECRET_NAME = re.compile(r"api[-_]?key|authorization|password|secret|token", re.IGNORECASE)

View = Callable[[Any], Any]


def redacted_view(settings: Settings, *, full: bool) -> View:
    """A function that redacts JSON or text.

    It removes the settings' secrets by value, fields named like a secret, logins in addresses, and,
    unless `full`, the query of addresses, which may hold a signature. NaN, which is no JSON,
    becomes null.
    """
    redact = redactor(settings.secrets())

    def of_text(text: str) -> str:
        text = without_logins(redact(text))
        return text if full else without_queries(text)

    def of_field(name: str, value: Any) -> Any:
        return "***" if isinstance(value, str) and _SECRET_NAME.search(name) else of(value)

    def of(value: Any) -> Any:
        match value:
            case str():
                return of_text(value)
            case Mapping():
                return {of_text(str(key)): of_field(str(key), one) for key, one in value.items()}  # pyright: ignore
            case list() | tuple():
                return [of(one) for one in value]  # pyright: ignore
            case float() if not math.isfinite(value):
                return None
            case _:
                return value

    return of
