"""What Gemini takes, how its answers end, and its quotas."""

from collections.abc import Callable

import pytest

from services.images.base import ImageRequest
from services.images.gemini import GeminiImages
from tests.support.gemini import MODEL, answer, inline, says
from tests.support.server import Server

NewGemini = Callable[..., GeminiImages]

REQUEST = ImageRequest("A cat by a door", "16:9")

pytestmark = pytest.mark.usefixtures("no_waits")


@pytest.mark.parametrize(
    ("model", "size"),
    [
        (MODEL, "2K"),
        (f"{MODEL}-preview", "2K"),
        ("gemini-3-pro-image", "2K"),
        ("gemini-nano-banana-2.1", "2K"),
        ("gemini-2.5-flash-image", None),
        ("gemini-3.1-flash-lite-image", None),
        ("a-model-of-tomorrow", None),
    ],
)
async def test_a_large_picture_is_asked_of_models_that_make_them(
    new_gemini: NewGemini,
    provider: Server,
    pictures: dict[str, bytes],
    model: str,
    size: str | None,
) -> None:
    says(provider, answer(inline(pictures["image/png"])), model=model)
    await new_gemini(GEMINI_IMAGE_MODEL=model).generate(REQUEST)
    [request] = provider.requests
    config = {"aspectRatio": "16:9"} | ({"imageSize": size} if size else {})
    assert request.json["generationConfig"]["imageConfig"] == config
