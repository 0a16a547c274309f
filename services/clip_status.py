"""How a clip that a provider works on is getting along, and whom to ask about it.

Asking costs nothing and changes nothing, so passing troubles are tried again at once.
"""

from dataclasses import dataclass
from typing import Protocol, TypeAlias
from urllib.parse import quote

import httpx

from config.settings import Settings
from core.errors import ServiceError
from services.clips import ClipRow
from services.http import service_error, transport_error

# A question answers in a second; three tries bridge a hiccup, the job's own attempts an outage.
TIMEOUT_S = 30
ATTEMPTS = 3
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


async def ask(service: str, client: httpx.AsyncClient, path: str) -> httpx.Response | Failed:
    """The answer of 200 at `path`, or the clip's end when the provider does not know its id.

    Raises ServiceError for all that says nothing about the clip.
    """
    try:
        response = await client.get(path)
    except httpx.HTTPError as error:
        raise transport_error(service, OPERATION, error) from error
    match response.status_code:
        case 200:
            return response
        case 404:
            return Failed(f"{service} no longer knows the clip: it is older than 7 days")
        case 400:  # the id is all there is in the request
            return Failed(str(service_error(service, OPERATION, response)))
        case _:
            raise service_error(service, OPERATION, response)


def unreadable(service: str) -> ServiceError:
    """An answer of 200 that is not of the documented shape."""
    message = f"{service} gave an answer that cannot be read"
    return ServiceError(service, OPERATION, message, retryable=True)


def as_path(text: str) -> str | None:
    """An id as a path that leads nowhere else; None when it has empty or dotted segments."""
    segments = text.split("/")
    if any(segment.strip(".") == "" for segment in segments):
        return None
    return "/".join(quote(segment, safe=":") for segment in segments)


def as_segment(text: str) -> str | None:
    """An id as one segment of a path; None when there is no such segment."""
    return quote(text, safe="") if text.strip(".") else None


_VARIABLES = {
    "Seedance": "BYTEPLUS_API_KEY",
    "Wavespeed": "WAVESPEED_API_KEY",
    "Google": "GOOGLE_AI_API_KEY",
}


def _no_key(name: str) -> ServiceError:
    message = f"{name} cannot be asked for clips: set {_VARIABLES[name]}"
    return ServiceError(name, OPERATION, message)
