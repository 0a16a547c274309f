"""How a clip that a provider works on is getting along, and whom to ask about it.

services/clip_question.py puts the question.
"""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from config.settings import Settings
from core.errors import ServiceError
from services.clips import ClipRow

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


ClipOutcome: TypeAlias = Running | Succeeded | Failed


class ClipProvider(Protocol):
    """Answers for clips that it was given to make."""

    async def status(self, clip_id: str) -> ClipOutcome:
        """`clip_id` is text from a row, not to be trusted. Raises ServiceError."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class ClipProviders:
    """The configured providers, each made when first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[str, ClipProvider] = {}

    async def status(self, clip: ClipRow) -> ClipOutcome:
        """Ask the provider that a clip's row names; one whose key is missing is a ServiceError."""
        if clip.seedance_task_id:
            return await self._provider("Seedance").status(clip.seedance_task_id)
        name = "Google" if clip.is_googles else "Wavespeed"
        return await self._provider(name).status(clip.provider_id)

    async def aclose(self) -> None:
        """Close the connections."""
        for provider in self._made.values():
            await provider.aclose()

    def _provider(self, name: str) -> ClipProvider:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> ClipProvider:
        # Both modules import this one.
        from services.seedance import Seedance
        from services.veo import GoogleVeo, WavespeedVeo

        settings = self._settings
        match name:
            case "Seedance" if settings.byteplus_key:
                return Seedance(settings, settings.byteplus_key)
            case "Wavespeed" if settings.wavespeed_key:
                return WavespeedVeo(settings, settings.wavespeed_key)
            case "Google" if settings.google_key:
                return GoogleVeo(settings, settings.google_key)
            case _:
                raise _no_key(name)


_VARIABLES = {
    "Seedance": "BYTEPLUS_API_KEY",
    "Wavespeed": "WAVESPEED_API_KEY",
    "Google": "GOOGLE_AI_API_KEY",
}


def _no_key(name: str) -> ServiceError:
    message = f"{name} cannot be asked for clips: set {_VARIABLES[name]}"
    return ServiceError(name, OPERATION, message)
