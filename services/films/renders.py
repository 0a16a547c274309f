"""How a film that a renderer works on is getting along."""

from dataclasses import dataclass

from core.errors import NotFound


class UnknownRender(NotFound):
    """Shotstack does not know the render, or no longer."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """Not ready yet; `stage`: queued, fetching, preprocessing, rendering, saving."""

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
