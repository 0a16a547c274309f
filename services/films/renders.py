"""The state of a render."""

from dataclasses import dataclass

from core.errors import NotFound


class UnknownRender(NotFound):
    """Shotstack does not have the render, or no longer."""


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
