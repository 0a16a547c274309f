"""What Seedream takes in a request for a picture, and what it refuses."""

import re
from dataclasses import dataclass
from typing import Any, cast

from sandbox.providers.drawing.pictures import Format
from sandbox.providers.files.named_files import file_behind
from sandbox.providers.files.store import Store
from sandbox.providers.request_body import Json
from sandbox.providers.vendors.errors import Refused, ark_error

IMAGE_FIELDS = frozenset(
    (
        "model", "prompt", "image", "size", "seed", "guidance_scale", "response_format",
        "watermark", "stream", "output_format", "sequential_image_generation",
        "sequential_image_generation_options", "optimize_prompt_options", "tools",
    )
)  # fmt: skip

_MODELS = re.compile(r"(?:dola-|doubao-)?seedream-(?:5-0|4-5|4-0)-.+|ep-.+")
# These make one picture a request, in one piece, and refuse the fields that say so or otherwise.
_SINGLE = re.compile(r"(?:dola-|doubao-)?seedream-5-0-(?:pro|flash)-.+")
_SINGLE_REFUSES = ("sequential_image_generation", "stream")
_SINGLE_REFERENCES = 10
_NAMED_SIZES = {"2K": (2048, 2048), "3K": (3072, 3072)}
_PIXELS = range(3_686_400, 16_777_216 + 1)
# github.com/byteplus-sa/modelark-mcp says 4,624,220, docs.apiyi.com 4,194,304.
_SINGLE_PIXELS = range(921_600, 4_194_304 + 1)
_MAX_RATIO = 16
_MAX_REFERENCES = 14
_SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")
_REFERENCE = re.compile(r"https?://[^\s/]+/\S*|data:image/[a-z+]+;base64,\S+")
_CHOICES: dict[str, tuple[Any, ...]] = {
    "response_format": ("url", "b64_json"),
    "sequential_image_generation": ("disabled", "auto"),
    "output_format": ("jpeg", "png"),
    "stream": (True, False),
    "watermark": (True, False),
}


@dataclass(frozen=True, slots=True)
class PictureOrder:
    """A request that Seedream accepts, and charges for."""

    model: str
    prompt: str
    width: int
    height: int
    references: int
    format: Format
    as_bytes: bool


async def read_order(body: Json, store: Store) -> PictureOrder:
    """Check the request as documented. Raises Refused."""
    model, prompt = _text(body, "model"), _text(body, "prompt")
    if not _MODELS.fullmatch(model):
        message = f"The model or endpoint {model} does not exist or you do not have access to it."
        raise ark_error(404, message=message)
    is_single = _SINGLE.fullmatch(model) is not None
    for field in _SINGLE_REFUSES if is_single else ():
        if field in body:
            raise _invalid(field, "is not supported by the model")
    for field, choices in _CHOICES.items():
        _check_choice(body, field, choices)
    if body.get("stream"):
        raise _invalid("stream", "streamed answers are not part of this stand-in")
    width, height = _size(body.get("size", "2K"), _SINGLE_PIXELS if is_single else _PIXELS)
    most = _SINGLE_REFERENCES if is_single else _MAX_REFERENCES
    return PictureOrder(
        model=model,
        prompt=prompt,
        width=width,
        height=height,
        references=await _references(body.get("image"), most, store),
        format="PNG" if body.get("output_format") == "png" else "JPEG",
        as_bytes=body.get("response_format") == "b64_json",
    )


def _text(body: Json, field: str) -> str:
    value = body.get(field)
    if value is None:
        message = f"The request failed because it is missing `{field}` parameter."
        raise ark_error(400, "MissingParameter", message, field)
    if not isinstance(value, str) or not value.strip():
        raise _invalid(field, "must be a text that is not empty")
    return value


def _check_choice(body: Json, field: str, choices: tuple[Any, ...]) -> None:
    value = body.get(field)
    if value is not None and not any(value is one or value == one for one in choices):
        raise _invalid(field, f"must be one of {', '.join(map(str, choices))}")


def _size(value: Any, pixels: range) -> tuple[int, int]:
    if value in _NAMED_SIZES:
        return _NAMED_SIZES[value]
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise _invalid("size", "must be 2K, 3K or WIDTHxHEIGHT")
    width, height = int(found.group(1)), int(found.group(2))
    if width * height not in pixels or max(width, height) > _MAX_RATIO * min(width, height):
        reason = f"must have {pixels[0]} to {pixels[-1]} pixels and a ratio of at most 16"
        raise _invalid("size", reason)
    return width, height


async def _references(value: Any, most: int, store: Store) -> int:
    """How many, up to `most`. Those on the media host are looked at, as the vendor does."""
    if value is None:
        return 0
    found = cast("list[Any]", value) if isinstance(value, list) else [value]
    if not 1 <= len(found) <= most:
        raise _invalid("image", f"must be 1 to {most} images")
    for url in found:
        if not isinstance(url, str) or not _REFERENCE.fullmatch(url):
            raise _invalid("image", "must be image URLs or data URIs")
        await _check_reachable(url, store)
    return len(found)


async def _check_reachable(url: str, store: Store) -> None:
    if not url.startswith(f"{store.base_url}/"):
        return
    if await file_behind(store, url) is None:
        # There is no code of its own for it: only the words tell it from a wrong request.
        message = f"Error while downloading url: {url[:200]}, status code: 404"
        raise ark_error(400, "InvalidParameter", message, "image")


def _invalid(field: str, reason: str) -> Refused:
    message = f"The parameter `{field}` specified in the request is not valid: it {reason}."
    return ark_error(400, "InvalidParameter", message, field)
