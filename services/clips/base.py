"""The status of a clip at its provider, and the interface to providers."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias

from core.errors import ServiceError
from core.people import Cause

OPERATION = "poll a clip"


@dataclass(frozen=True, slots=True)
class Running:
    """Not finished yet."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The provider keeps the video at `video_url`, for about a day."""

    video_url: str
    last_frame_url: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """There will be no video; `message` is for operators, `cause` for the person who waits."""

    message: str
    cause: Cause = Cause.NO_RESULT


@dataclass(frozen=True, slots=True)
class Unknown:
    """The provider itself reports that it has no such clip, by `error`."""

    error: ServiceError


@dataclass(frozen=True, slots=True)
class Denied:
    """The provider does not report on this clip to us, by `error`; others it may report on."""

    error: ServiceError


ClipOutcome: TypeAlias = Running | Succeeded | Failed
Answer: TypeAlias = ClipOutcome | Unknown | Denied


class ClipProvider(Protocol):
    """Reports the status of clips that were ordered from it."""

    @property
    def retention(self) -> timedelta:
        """How long after its order a clip is known and its video available."""
        ...

    async def status(self, clip_id: str) -> Answer:
        """The status of a clip. `clip_id` is untrusted text from a row. Raises ServiceError."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
