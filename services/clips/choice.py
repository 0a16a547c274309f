"""Chooses the provider of a clip, and decides what an unknown clip means."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr

from config.settings import Settings
from core.errors import ServiceError
from core.people import Cause
from services.accounts.vendor import Vendor
from services.byteplus import BYTEPLUS
from services.clips.base import OPERATION, ClipOutcome, ClipProvider, Failed, Unknown
from services.clips.google_veo import GoogleVeo
from services.clips.seedance import Seedance
from services.clips.wavespeed import WAVESPEED, WavespeedVeo
from services.google import GOOGLE
from services.supabase.clips import ClipRow


@dataclass(frozen=True, slots=True)
class _Choice:
    vendor: Vendor
    make: Callable[[Settings, SecretStr], ClipProvider]


CLIP_PROVIDERS = {
    "Seedance": _Choice(BYTEPLUS, Seedance),
    "Wavespeed": _Choice(WAVESPEED, WavespeedVeo),
    "Google": _Choice(GOOGLE, GoogleVeo),
}


class ClipProviders:
    """The configured providers, each created on first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[str, ClipProvider] = {}

    async def status(self, clip: ClipRow) -> ClipOutcome:
        """Poll the provider that a clip's row names.

        Raises ServiceError for what is no statement about the clip: a missing key, any refusal, and
        that the provider does not know a clip which is recent enough to be known.
        """
        name = "Google" if clip.is_googles else "Wavespeed"
        provider = self._provider("Seedance" if clip.seedance_task_id else name)
        answer = await provider.status(clip.provider_id)
        return _gone(clip, provider, answer.error) if isinstance(answer, Unknown) else answer

    async def aclose(self) -> None:
        """Close the connections."""
        for provider in self._made.values():
            await provider.aclose()

    def _provider(self, name: str) -> ClipProvider:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> ClipProvider:
        chosen = CLIP_PROVIDERS[name]
        key = chosen.vendor.key(self._settings)
        if not key:
            raise _no_key(name, chosen.vendor.variable)
        return chosen.make(self._settings, key)


def _gone(clip: ClipRow, provider: ClipProvider, error: ServiceError) -> Failed:
    """The failure of a clip that is too old to be known. Raises ServiceError for a younger one."""
    days = provider.retention.days
    ordered = clip.ordered_before
    if ordered and datetime.now(UTC) - ordered > provider.retention:
        message = f"The video is no longer available: it was ordered more than {days} days ago"
        return Failed(message, Cause.GONE)
    service = error.service
    message = f"{service} does not know the clip, which it should for {days} days: {error}"
    raise ServiceError(service, OPERATION, message, status=error.status, code=error.code) from error


def _no_key(name: str, variable: str) -> ServiceError:
    message = f"{name} cannot be polled for clips: set {variable}"
    return ServiceError(name, OPERATION, message)
