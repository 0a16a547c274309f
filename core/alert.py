"""Alerts: events that operators should see at once. The runtime delivers them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from traceback import TracebackException
from typing import Literal, TypeAlias

from bullmq_consumer.sanitize.text import one_line

_MAX_TEXT = 1000
_QUOTES = ("'", '"')
# A lasting problem is alerted again after an hour.
_SILENCE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Alert:
    """One event. Alerts of one `kind` are grouped; `text` is one line, `about` its short facts.

    `trace` holds the lines of an unexpected error, without variables.
    """

    kind: str
    text: str
    level: Literal["info", "warning", "error", "fatal"]
    about: Mapping[str, str] = field(default_factory=dict[str, str])
    trace: TracebackException | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to a channel: one alert, or the last of `more` similar ones."""

    alert: Alert
    text: str
    more: int = 0


AlertSink: TypeAlias = Callable[[Alert], None]


def no_alerts(alert: Alert) -> None:
    """The sink that discards alerts."""


class Reminders:
    """One alert an hour for each kind. `now` in seconds, for tests."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._alerted_at: dict[str, float] = {}

    def is_due(self, kind: str) -> bool:
        """Whether to alert now, which counts as done."""
        now = self._now()
        # Old entries go: memory must not grow with the texts of providers.
        self._alerted_at = {
            one: at for one, at in self._alerted_at.items() if now - at < _SILENCE_S
        }
        if kind in self._alerted_at:
            return False
        self._alerted_at[kind] = now
        return True


def shown(text: str, limit: int = _MAX_TEXT) -> str:
    """Untrusted text as one line, cut to `limit` characters."""
    return one_line(text, limit)


def kind_of(*parts: str) -> str:
    """A key that is equal for reasons which differ only in ids, numbers, addresses and quotes."""
    words = " ".join(_without_quoted(part) for part in parts).split()
    masked = ["#" if _varies(word) else word for word in words]
    alike = [word for before, word in zip(["", *masked], masked, strict=False) if word != before]
    return one_line(" ".join(alike), _MAX_TEXT)


def _varies(word: str) -> bool:
    return "://" in word or any(char.isdigit() for char in word)


def _without_quoted(text: str) -> str:
    for quote in _QUOTES:
        text = " # ".join(text.split(quote)[::2])
    return text
