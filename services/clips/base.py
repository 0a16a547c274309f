"""How a clip that a provider works on is getting along: what its providers answer."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias

from core.errors import ServiceError

OPERATION = "ask for a clip"


@dataclass(frozen=True, slots=True)
class Running:
    """Not yet at an end."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The provider keeps the video at `video_url`, for about a day."""

    video_url: str
    last_frame_url: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """There will be no video; `message` is shown to the person who waits."""

    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The provider itself says that it knows no such clip; `error` is how it said so."""

    error: ServiceError


ClipOutcome: TypeAlias = Running | Succeeded | Failed
Answer: TypeAlias = ClipOutcome | Unknown


class ClipProvider(Protocol):
    """Answers for clips that it was given to make."""

    @property
    def retention(self) -> timedelta:
        """How long after its order a clip is known, and its video to be had."""
        ...

    async def status(self, clip_id: str) -> Answer:
        """`clip_id` is text from a row, not to be trusted. Raises ServiceError."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
