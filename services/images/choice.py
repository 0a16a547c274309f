"""Chooses the provider of pictures, and its fallback."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loguru import logger
from pydantic import SecretStr

from config.settings import Settings
from config.variables import ImageProviderName
from core.alert import AlertSink, no_alerts
from core.errors import (
    ContentRejected,
    ProviderDown,
    RetryableError,
    ServiceError,
    UnrecoverableError,
)
from services.accounts.vendor import Vendor
from services.byteplus import BYTEPLUS
from services.google import GOOGLE
from services.images.base import GeneratedImage, ImageProvider, ImageRequest
from services.images.gemini import GeminiImages
from services.images.seedream import Seedream

if TYPE_CHECKING:
    from services.net.downloads import Downloads


@dataclass(frozen=True, slots=True)
class _Choice:
    vendor: Vendor
    make: Callable[[Settings, SecretStr, "Downloads", AlertSink], ImageProvider]


# In the order in which `auto` looks for a key, which is that of `IMAGE_KEYS`.
IMAGE_PROVIDERS: dict[ImageProviderName, _Choice] = {
    "seedream": _Choice(BYTEPLUS, Seedream),
    "gemini": _Choice(GOOGLE, GeminiImages),
}


class Fallback:
    """Falls back to `second` when `first` refuses or is down, not when `first` may have charged."""

    def __init__(self, first: ImageProvider, second: ImageProvider) -> None:
        self._first = first
        self._second = second
        self.name = f"{first.name}, else {second.name}"
        self.max_references = min(first.max_references, second.max_references)

    async def generate(self, request: ImageRequest) -> GeneratedImage:
        """The picture of the first that succeeds.

        If neither does, raises the first one's error, or the second's if that may have charged.
        """
        try:
            return await self._first.generate(request)
        except (ContentRejected, ProviderDown, ServiceError) as error:
            if isinstance(error, ServiceError) and (error.billed or not error.retryable):
                raise
            return await self._fall_back(request, error)

    async def aclose(self) -> None:
        """Close both."""
        await asyncio.gather(self._first.aclose(), self._second.aclose())

    async def _fall_back(
        self, request: ImageRequest, error: ContentRejected | ProviderDown | ServiceError
    ) -> GeneratedImage:
        logger.warning(
            "{} failed ({}), falling back to {}", self._first.name, error, self._second.name
        )
        try:
            return await self._second.generate(request)
        except (UnrecoverableError, ProviderDown, RetryableError, ServiceError) as second:
            logger.warning("{} failed too: {}", self._second.name, second)
            if isinstance(second, ServiceError) and second.billed:
                raise  # what may have been paid for counts
            raise error from second


def choose_provider(
    settings: Settings, downloads: "Downloads", notify: AlertSink = no_alerts
) -> ImageProvider | None:
    """The provider that `IMAGE_PROVIDER` names, `auto` being the first with a key; None without.

    With `IMAGE_PROVIDER_FALLBACK` the other one is its fallback, if it has a key.
    """
    providers = [choice.make(settings, key, downloads, notify) for choice, key in _chosen(settings)]
    return Fallback(*providers) if len(providers) == 2 else next(iter(providers), None)


def picture_vendors(settings: Settings) -> list[Vendor]:
    """The vendors that pictures are bought from."""
    return [choice.vendor for choice, _ in _chosen(settings)]


def _chosen(settings: Settings) -> list[tuple[_Choice, SecretStr]]:
    """The choices in force, with their keys: at most two."""
    names = sorted(IMAGE_PROVIDERS, key=lambda name: name != settings.image_provider)
    choices = [IMAGE_PROVIDERS[name] for name in names]
    usable = [(choice, key) for choice in choices if (key := choice.vendor.key(settings))]
    return usable[: 2 if settings.image_provider_fallback else 1]
