"""Gemini by google-genai, against servers on this machine."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from config.settings import Settings
from core.alert import Alert
from services.images.gemini import GeminiImages
from services.net.downloads import Downloads
from tests.support.server import Server

NewGemini = Callable[..., GeminiImages]


@pytest.fixture
def alerts() -> list[Alert]:
    """What `new_gemini` alerts of."""
    return []


@pytest.fixture
async def new_gemini(
    settings: Callable[..., Settings],
    provider: Server,
    media: Server,
    alerts: list[Alert],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[NewGemini]:
    """Makes one from variables; the environment says otherwise wherever the library reads it."""
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with AsyncExitStack() as closing:

        def new(**variables: str) -> GeminiImages:
            found = settings(
                GOOGLE_AI_API_KEY="google-key-1234",
                GOOGLE_GEMINI_BASE_URL=provider.url(""),
                DOWNLOAD_ALLOWED_HOSTS=f"media.example.com:{media.port}=127.0.0.1",
                **variables,
            )
            assert found.google_key is not None
            downloads = Downloads(found)
            closing.push_async_callback(downloads.aclose)
            images = GeminiImages(found, found.google_key, downloads, alerts.append)
            closing.push_async_callback(images.aclose)
            return images

        yield new


@pytest.fixture
async def gemini(new_gemini: NewGemini) -> GeminiImages:
    return new_gemini()
