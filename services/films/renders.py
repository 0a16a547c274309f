"""Renders: their orders and their states."""

import time
from dataclasses import dataclass

from core.errors import NotFound


class UnknownRender(NotFound):
    """Shotstack does not have the render, or no longer."""


@dataclass(frozen=True, slots=True)
class Order:
    """A render that was paid for; `at` in seconds since the epoch."""

    id: str
    at: float

    @property
    def age_s(self) -> float:
        """Seconds since the order."""
        return time.time() - self.at


@dataclass(frozen=True, slots=True)
class Rendering:
    """In progress; `stage`: queued, fetching, preprocessing, rendering, saving."""

    stage: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """The film lies at `url`."""

    url: str


@dataclass(frozen=True, slots=True)
class RenderFailed:
    """There will be no film."""

    message: str


State = Rendering | Rendered | RenderFailed
