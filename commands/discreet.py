"""What of a job may be shown: no secret, and no signed address unless it is asked for."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from config.settings import Settings

_SECRET_NAME = re.compile(r"api[-_]?key|authorization|password|secret|token", re.IGNORECASE)
_LOGIN = re.compile(r"(\w+://)[^\s/@\"']+@")
_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]+")
# Shorter ones would hide ordinary words.
_MIN_SECRET = 6

Discreet = Callable[[Any], Any]


def discreet(settings: Settings, *, full: bool) -> Discreet:
    """A function that takes JSON or text and leaves out what must not be shown.

    Secrets of the settings by their value, fields that are called like one, logins in addresses;
    and the query of an address, where signatures stand, unless `full`.
    """
    secrets = sorted((one for one in settings.secrets() if len(one) >= _MIN_SECRET), key=len)

    def of_text(text: str) -> str:
        for secret in reversed(secrets):  # one may be part of another
            text = text.replace(secret, "***")
        text = _LOGIN.sub(r"\1***@", text)
        return text if full else _QUERY.sub(r"\1?…", text)

    def of(value: Any) -> Any:
        match value:
            case str():
                return of_text(value)
            case Mapping():
                return {str(key): _hidden(key) or of(one) for key, one in value.items()}  # pyright: ignore
            case list() | tuple():
                return [of(one) for one in value]  # pyright: ignore
            case _:
                return value

    return of


def _hidden(key: object) -> str | None:
    return "***" if _SECRET_NAME.search(str(key)) else None
