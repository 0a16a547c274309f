"""Renders: their orders and their states."""

import re
import time
from dataclasses import dataclass

from core.errors import NotFound

# As Shotstack's help puts it, "Download Error": "the engine could not reach the" source
# (help.shotstack.io, articles/12156811). Its exact words are not documented.
_ABOUT_A_SOURCE = re.compile(r"fetch|download|could not reach", re.IGNORECASE)


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

    @property
    def lacks_source(self) -> bool:
        """Whether a clip could not be fetched, which another render may do."""
        return _ABOUT_A_SOURCE.search(self.message) is not None


State = Rendering | Rendered | RenderFailed
