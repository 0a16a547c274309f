"""What of a job may be shown: no secret, and no signed address unless it is asked for."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from config.logging.redaction import redactor, without_logins, without_queries
from config.settings import Settings

_SECRET_NAME = re.compile(r"api[-_]?key|authorization|password|secret|token", re.IGNORECASE)

Discreet = Callable[[Any], Any]


def redacted_view(settings: Settings, *, full: bool) -> Discreet:
    """A function that takes JSON or text and leaves out what must not be shown.

    Secrets of the settings by their value, fields that are called like one, logins in addresses;
    and the query of an address, where signatures stand, unless `full`. NaN, which is no JSON, is
    nothing.
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
