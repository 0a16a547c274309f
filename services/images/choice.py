"""Which provider pictures are bought from, and who stands behind it."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from loguru import logger
from pydantic import SecretStr

from config.settings import Settings
from core.errors import ContentRejected, PermanentError, ProviderDown, RetryableError, ServiceError
from services.images.base import GeneratedImage, ImageProvider, ImageRequest
from services.images.gemini import GeminiImages
from services.images.seedream import Seedream

if TYPE_CHECKING:
    from services.net.downloads import Downloads


class Fallback:
    """Asks `second` when `first` refuses or is down, never when `first` may have charged."""

    def __init__(self, first: ImageProvider, second: ImageProvider) -> None:
        self._first = first
        self._second = second
        self.name = f"{first.name}, else {second.name}"
        self.max_references = min(first.max_references, second.max_references)

    async def generate(self, request: ImageRequest) -> GeneratedImage:
        """The picture of the first that gives one; if neither does, the first one's error."""
        try:
            return await self._first.generate(request)
        except (ContentRejected, ProviderDown, ServiceError) as error:
            if isinstance(error, ServiceError) and (error.billed or not error.retryable):
                raise
            return await self._ask_second(request, error)

    async def aclose(self) -> None:
        """Close both."""
        await asyncio.gather(self._first.aclose(), self._second.aclose())

    async def _ask_second(
        self, request: ImageRequest, error: ContentRejected | ProviderDown | ServiceError
    ) -> GeneratedImage:
        logger.warning("{} failed ({}), asking {}", self._first.name, error, self._second.name)
        try:
            return await self._second.generate(request)
        except (PermanentError, ProviderDown, RetryableError, ServiceError) as second:
            logger.warning("{} failed too: {}", self._second.name, second)
            raise error from second


def choose_provider(settings: Settings, downloads: "Downloads") -> ImageProvider | None:
    """The provider that `IMAGE_PROVIDER` names, `auto` being the first with a key; None without.

    With `IMAGE_PROVIDER_FALLBACK` the other one stands behind it, if it has a key.
    """
    candidates: list[tuple[str, SecretStr | None, Callable[[SecretStr], ImageProvider]]] = [
        ("seedream", settings.byteplus_key, lambda key: Seedream(settings, key)),
        ("gemini", settings.google_key, lambda key: GeminiImages(settings, key, downloads)),
    ]
    candidates.sort(key=lambda candidate: candidate[0] != settings.image_provider)
    usable = [(make, key) for _, key, make in candidates if key]
    wanted = usable[: 2 if settings.image_provider_fallback else 1]
    providers = [make(key) for make, key in wanted]
    return Fallback(*providers) if len(providers) == 2 else next(iter(providers), None)
