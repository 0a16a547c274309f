"""Chooses the provider of a clip, and decides what an unknown clip means."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from config.settings import Settings
from core.alert import AlertSink, no_alerts
from core.errors import ServiceError
from core.people import Cause
from services.accounts.vendor import Vendor
from services.byteplus import BYTEPLUS
from services.clips.base import OPERATION, ClipOutcome, ClipProvider, Denied, Failed, Unknown
from services.clips.google_veo import GoogleVeo
from services.clips.seedance import Seedance
from services.clips.wavespeed import WAVESPEED, WavespeedVeo
from services.google import GOOGLE
from services.supabase.clips import ClipRow

# How much longer than its files are kept a clip is asked for that a provider denies us. By then its
# video is gone, whatever is wrong with the key: it was made within hours of its order.
_DENIED_LONGER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Choice:
    vendor: Vendor
    make: Callable[[Settings, SecretStr, AlertSink], ClipProvider]


CLIP_PROVIDERS = {
    "Seedance": _Choice(BYTEPLUS, Seedance),
    "Wavespeed": _Choice(WAVESPEED, WavespeedVeo),
    "Google": _Choice(GOOGLE, GoogleVeo),
}


class ClipProviders:
    """The configured providers, each created on first use."""

    def __init__(self, settings: Settings, notify: AlertSink = no_alerts) -> None:
        self._settings = settings
        self._notify = notify
        self._made: dict[str, ClipProvider] = {}

    async def status(self, clip: ClipRow) -> ClipOutcome:
        """Poll the provider that a clip's row names.

        Raises ServiceError for what is no statement about the clip: a missing key, any refusal, and
        that the provider does not know, or denies us, a clip whose video it may still have.
        """
        name = "Google" if clip.is_googles else "Wavespeed"
        provider = self._provider("Seedance" if clip.seedance_task_id else name)
        match await provider.status(clip.provider_id):
            case Unknown(error=error):
                return _gone(clip, provider, error)
            case Denied(error=error):
                return _denied(clip, provider, error)
            case answer:
                return answer

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
        return chosen.make(self._settings, key, self._notify)


def _gone(clip: ClipRow, provider: ClipProvider, error: ServiceError) -> Failed:
    """The failure of a clip that is too old to be known. Raises ServiceError for a younger one."""
    if failed := _failed_if_older(clip, provider.retention):
        return failed
    service, days = error.service, provider.retention.days
    message = f"{service} does not know the clip, which it should for {days} days: {error}"
    raise ServiceError(service, OPERATION, message, status=error.status, code=error.code) from error


def _denied(clip: ClipRow, provider: ClipProvider, error: ServiceError) -> Failed:
    """The failure of a clip whose video is gone. Raises the error while it may be there."""
    if failed := _failed_if_older(clip, provider.retention + _DENIED_LONGER):
        return failed
    raise error


def _failed_if_older(clip: ClipRow, age: timedelta) -> Failed | None:
    ordered = clip.ordered_before
    if ordered is None or datetime.now(UTC) - ordered <= age:
        return None
    message = f"The video is no longer available: it was ordered more than {age.days} days ago"
    return Failed(message, Cause.GONE)


def _no_key(name: str, variable: str) -> ServiceError:
    message = f"{name} cannot be polled for clips: set {variable}"
    return ServiceError(name, OPERATION, message)
