"""Google's Gemini API: pictures and Veo operations."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.providers import keys
from sandbox.providers.drawing.captions import caption_of
from sandbox.providers.drawing.pictures import Picture
from sandbox.providers.request_body import Json, json_of, state_of
from sandbox.providers.vendors.errors import Refused, google_error
from sandbox.providers.vendors.gemini import FAMILIES, Family, GenerateContent

_VERSION = "v1beta"
_MAX_REFERENCES = 14
# Of a request, since 2026-01-08: ai.google.dev/gemini-api/docs/changelog.
_MAX_BYTES = 100_000_000
# Field violations that Google words in its own way.
_UNKNOWN_FIELD = "extra_forbidden"


async def generate(request: Request) -> Response:
    """`POST models/{model}:generateContent`."""
    check_key(request)
    model: str = request.path_params["model"]
    family = _family_of(model)
    check_size(len(await request.body()))
    body = await json_of(request, lambda reason: google_error(400, reason))
    picture = ordered(_validated(body), family, state_of(request).pictures.__next__)
    state_of(request).bill("image", "google", picture.text)
    drawn = await state_of(request).store.picture(picture, "PNG")
    data = {"mimeType": "image/png", "data": base64.b64encode(drawn).decode()}
    candidate = {
        "content": {"parts": [{"inlineData": data}], "role": "model"},
        "finishReason": "STOP",
        "index": 0,
    }
    usage = {"promptTokenCount": 30, "candidatesTokenCount": 1290, "totalTokenCount": 1320}
    return JSONResponse({"candidates": [candidate], "usageMetadata": usage, "modelVersion": model})


async def model(request: Request) -> Response:
    """`GET models/{model}`: what it is, for who has a key."""
    check_key(request)
    name: str = request.path_params["model"]
    _family_of(name)
    methods = ["generateContent", "countTokens"]
    return JSONResponse({"name": f"models/{name}", "supportedGenerationMethods": methods})


async def operation(request: Request) -> Response:
    """`GET models/{model}/operations/{id}`, as Veo's videos are waited for.

    One that ends as `denied` answers 403 for good, as some of Google's do:
    discuss.ai.google.dev, topic 185737.
    """
    check_key(request)
    name = f"models/{request.path_params['model']}/operations/{request.path_params['id']}"
    operations = state_of(request).operations
    running = operations.get("operations", name) or operations.get(
        "operations", request.path_params["id"]
    )
    if running is None:
        raise google_error(404, "Operation not found.")
    if running.final is None:
        return JSONResponse({"name": name})
    if running.final == "denied":
        raise google_error(403, "The caller does not have permission")
    if running.final != "succeeded":
        error = {"code": 3, "message": running.error_message}
        return JSONResponse({"name": name, "done": True, "error": error})
    return JSONResponse({"name": name, "done": True, "response": _videos(running.url)})


def check_key(request: Request) -> None:
    """Google takes no key for a stranger (403) and a wrong one for a bad argument (400)."""
    sent = request.headers.get("x-goog-api-key") or request.query_params.get("key")
    if sent is None:
        raise google_error(403, "Method doesn't allow unregistered callers.")
    if sent != keys.GOOGLE:
        raise google_error(
            400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"
        )


async def other_version(request: Request) -> Response:
    """Any request in the words of another version: Google answers as if the model were not there.

    google-genai 3 asks for v1 unless told otherwise; the models are documented for v1beta.
    """
    check_key(request)
    name, version = request.path_params["name"], request.path_params["version"]
    raise _no_such_model(re.split(r"[:/]", name)[0], version)


ROUTES = [
    Route(f"/google/{_VERSION}/models/{{model}}:generateContent", generate, methods=["POST"]),
    Route(f"/google/{_VERSION}/models/{{model}}", model, methods=["GET"]),
    Route(f"/google/{_VERSION}/models/{{model}}/operations/{{id}}", operation, methods=["GET"]),
    Route("/google/{version}/models/{name:path}", other_version, methods=["GET", "POST"]),
]


def check_size(body_bytes: int) -> None:
    """Refuse a request that is too large, references and all."""
    if body_bytes > _MAX_BYTES:
        raise google_error(400, f"Request payload size exceeds the limit: {_MAX_BYTES} bytes.")


def _family_of(model: str) -> Family:
    found = (family for name, family in FAMILIES.items() if model.startswith(name))
    family = next(found, None)
    if family is None:
        raise _no_such_model(model)
    return family


def _no_such_model(name: str, version: str = _VERSION) -> Refused:
    message = (
        f"models/{name} is not found for API version {version}, or is not supported for this "
        "method. Call ListModels to see the list of available models and their supported methods."
    )
    return google_error(404, message)


def _videos(url: str | None) -> Json:
    kind = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"
    samples = [{"video": {"uri": f"{url}?alt=media"}}] if url else []
    return {"@type": kind, "generateVideoResponse": {"generatedSamples": samples}}


def _validated(body: Json) -> GenerateContent:
    try:
        return GenerateContent.model_validate(body)
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        if first["type"] == _UNKNOWN_FIELD:
            message = f'Invalid JSON payload received. Unknown name "{place}": Cannot find field.'
            raise google_error(400, message) from None
        raise google_error(400, f"Invalid value at '{place}': {first['msg']}") from None


def ordered(order: GenerateContent, family: Family, next_number: Callable[[], int]) -> Picture:
    """The picture to draw. Raises Refused."""
    parts = [part for content in order.contents for part in content.parts]
    texts = [part.text for part in parts if part.text]
    images = [part.inline_data.data for part in parts if part.inline_data]
    if not texts:
        raise google_error(400, "Unable to submit request because it has no text.")
    if len(images) > _MAX_REFERENCES:
        raise google_error(400, f"At most {_MAX_REFERENCES} images are taken.")
    for image in images:
        _check_image(image)
    config = order.generation_config
    if "IMAGE" not in config.response_modalities:
        raise google_error(400, "This stand-in only makes pictures: response_modalities IMAGE.")
    pixels = family.pixels(config.image_config)
    if pixels is None:
        raise google_error(400, "The model does not support this aspect ratio or image size.")
    caption = caption_of(" ".join(texts))
    number = caption.number or next_number()
    label = "Picture" if caption.number is None else "Shot"
    return Picture(*pixels, number, caption.text, caption.style, len(images), label)


def _check_image(data: str) -> None:
    """Google decodes what it is sent."""
    try:
        # The client's base64 may be of the URL-safe kind.
        head = base64.b64decode(data.replace("-", "+").replace("_", "/"), validate=True)[:12]
    except binascii.Error:
        raise _unusable() from None
    if not head.startswith((b"\xff\xd8\xff", b"\x89PNG", b"RIFF")):
        raise _unusable()


def _unusable() -> Refused:
    return google_error(400, "Unable to process input image. Please retry with a supported one.")
