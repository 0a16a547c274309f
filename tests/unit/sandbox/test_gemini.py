"""What the stand-in for Gemini takes, and refuses as Google does."""

from itertools import count
from typing import Any

import pytest

from sandbox.providers.drawing.pictures import Picture
from sandbox.providers.vendors.errors import Refused
from sandbox.providers.vendors.gemini import FAMILIES, GenerateContent
from sandbox.providers.vendors.google import check_size, ordered

FLASH, PRO, OLD = "gemini-3.1-flash-image", "gemini-3-pro-image", "gemini-2.5-flash-image"
NEWEST = "gemini-nano-banana-2.1"


def drawn(model: str, **config: str) -> Picture:
    content: dict[str, Any] = {"parts": [{"text": "A cat by a door"}]}
    generation = {"responseModalities": ["IMAGE"], "imageConfig": config}
    order = {"contents": [content], "generationConfig": generation}
    number = count(1).__next__
    return ordered(GenerateContent.model_validate(order), FAMILIES[model], number)


@pytest.mark.parametrize(
    ("model", "ratio", "size", "pixels"),
    [
        (FLASH, "16:9", None, (1376, 768)),
        (FLASH, "16:9", "1K", (1376, 768)),
        (FLASH, "16:9", "2K", (2752, 1536)),
        (FLASH, "9:16", "2K", (1536, 2752)),
        (FLASH, "16:9", "512", (688, 384)),
        (FLASH, "1:8", "1K", (384, 3072)),
        (PRO, "16:9", "4K", (5504, 3072)),
        (NEWEST, "4:1", "2K", (4096, 1024)),
        (OLD, "16:9", None, (1344, 768)),
    ],
)
def test_a_picture_has_the_size_of_its_model(
    model: str, ratio: str, size: str | None, pixels: tuple[int, int]
) -> None:
    picture = drawn(model, aspectRatio=ratio, **({"imageSize": size} if size else {}))
    assert (picture.width, picture.height) == pixels


@pytest.mark.parametrize(
    ("model", "config"),
    [
        (OLD, {"imageSize": "1K"}),
        (OLD, {"imageSize": "2K"}),
        (OLD, {"aspectRatio": "1:8"}),
        (PRO, {"aspectRatio": "1:8"}),
        (PRO, {"imageSize": "512"}),
        (NEWEST, {"imageSize": "512"}),
    ],
)
def test_what_a_model_does_not_make_is_a_wrong_argument(model: str, config: dict[str, str]) -> None:
    with pytest.raises(Refused) as raised:
        drawn(model, **config)
    error = raised.value.body["error"]
    assert (raised.value.status, error["status"]) == (400, "INVALID_ARGUMENT")


def test_a_request_has_100_mb() -> None:
    check_size(100_000_000)
    with pytest.raises(Refused) as raised:
        check_size(100_000_001)
    assert raised.value.status == 400
