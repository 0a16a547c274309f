"""Google Gemini pictures."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
from loguru import logger
from pydantic import SecretStr

from config.settings import Settings
from core.alert import AlertSink, no_alerts
from core.errors import ContentRejected, PermanentError, ServiceError, TransientError
from core.meter import bill
from core.people import Cause
from core.story import subject
from core.storyboard.characters import MAX_REFERENCES
from services.codes.google import PICTURES
from services.codes.rules import judged, judgement
from services.google import Google
from services.images.base import ImageBytes, ImageRequest
from services.net.circuit import Circuit
from services.net.content import Kind, sniff
from services.net.downloads import Downloads
from services.net.http import one_line, service_error, transport_error
from services.net.told import Told

if TYPE_CHECKING:
    from google.genai import Client, types

_SERVICE = "Gemini"
_OPERATION = "generate a picture"
_PICTURE = Told[ImageBytes](_SERVICE, "picture", lambda _: "made")
_TIMEOUT = timedelta(minutes=3)
_ATTEMPTS = 3
# Requests are counted by the minute and by the day (ai.google.dev/gemini-api/docs/rate-limits).
_WINDOW = timedelta(minutes=1)
_MIB = 1024 * 1024
# Pictures come inside the response. The bucket takes 10 MiB, which is 14 in base64; two drafts of
# the model's thinking may be included, as large as the picture: 3 x 14 = 42.
_MAX_ANSWER_BYTES = 48 * _MIB
# The limit of a reference. Larger ones show no more: Gemini scales them to 3072 pixels a side.
_MAX_REFERENCE_BYTES = 7 * _MIB
# Of all references of a request, which may have 100 MB (since January 2026). Base64 adds a third:
# 70 MiB are 97.9 MB, and the prompt has some kilobytes.
_MAX_REFERENCES_BYTES = 70 * _MIB
# What is asked of a model whose name begins so: 2752x1536 at 16:9, near Seedream's 2848x1600, so
# that a film in 1080p is not scaled up. Of others nothing: gemini-2.5-flash-image refuses the
# field, which gives 1344x768 alone.
_IMAGE_SIZES = {
    "gemini-3.1-flash-image": "2K",
    "gemini-3-pro-image": "2K",
    "gemini-nano-banana-2.1": "2K",
}
# Finish reasons that refuse the content. Without a picture any other one, also one that is not
# known yet, says only that there is none.
_REFUSALS = frozenset({
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR",
})  # fmt: skip
# The account is limited or disabled, for earlier violations of Google's Prohibited Use Policy.
_ACCOUNT_REFUSED = "PUP_LIMITED_DISABLED"
_ADVICE = "Check its quota and that billing is on, its key and its model"


class GeminiImages:
    """Buys pictures from Gemini, which returns bytes; references are fetched through the guard."""

    name = "gemini"
    max_references = MAX_REFERENCES

    def __init__(
        self,
        settings: Settings,
        key: SecretStr,
        downloads: Downloads,
        notify: AlertSink = no_alerts,
    ) -> None:
        self._circuit = Circuit(_SERVICE, window=_WINDOW, notify=notify, advice=_ADVICE)
        self._model = settings.gemini_image_model
        self._downloads = downloads
        self._google = Google(settings, key, _TIMEOUT, _SERVICE, _MAX_ANSWER_BYTES)

    async def generate(self, request: ImageRequest) -> ImageBytes:
        """Buy one picture.

        Raises ContentRejected, ServiceError, ProviderDown, or what `Downloads` raises for a
        reference.
        """
        client = await self._google.client()
        urls = request.references[: self.max_references]
        parts = await self._parts(urls)
        contents = [request.prompt, *parts]
        config = _config(request.aspect_ratio, self._model)
        with bill(_SERVICE, "picture"):
            picture = await _PICTURE.with_retries(
                lambda: self._generate(client, contents, config),
                attempts=_ATTEMPTS,
                circuit=self._circuit,
            )
        return replace(picture, left_out=len(urls) - len(parts))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._google.aclose()

    async def _parts(self, urls: Sequence[str]) -> "list[types.Part]":
        """The references in order, as many as a request may hold."""
        from google.genai import types

        parts: list[types.Part] = []
        left_bytes = _MAX_REFERENCES_BYTES
        for url in urls:
            data, content_type = await self._reference(url)
            left_bytes -= len(data)
            if left_bytes < 0:
                _log_left_out(urls[len(parts) :])
                break
            parts.append(types.Part.from_bytes(data=data, mime_type=content_type))
        return parts

    async def _reference(self, url: str) -> tuple[bytes, str]:
        try:
            return await self._downloads.fetch_bytes(
                url, max_bytes=_MAX_REFERENCE_BYTES, accept=Kind.IMAGE
            )
        except (PermanentError, TransientError) as error:
            error.blame(Cause.REFERENCE)
            raise

    async def _generate(self, client: "Client", contents: list[Any], config: Any) -> ImageBytes:
        from google.genai import errors

        try:
            answer = await client.aio.models.generate_content(
                model=self._model, contents=contents, config=config
            )
        except errors.APIError as error:
            raise _refused(error) from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise transport_error(_SERVICE, _OPERATION, error) from error
        except httpx.HTTPError as error:
            raise transport_error(_SERVICE, _OPERATION, error, billed=True) from error
        except (ValueError, TypeError, AttributeError) as error:
            # The library raises this for values of an unexpected type.
            raise _unusable("an answer that cannot be read") from error
        return _picture(answer)


def _log_left_out(urls: Sequence[str]) -> None:
    shown = ", ".join(one_line(url.partition("?")[0]) for url in urls)
    what = "Gemini takes {} MiB of reference images for a picture, these are left out of {}: {}"
    logger.warning(what, _MAX_REFERENCES_BYTES // _MIB, subject() or "it", shown)


def _config(aspect_ratio: str, model: str) -> "types.GenerateContentConfig":
    from google.genai import types

    name = model.removeprefix("models/")
    sizes = (size for family, size in _IMAGE_SIZES.items() if name.startswith(family))
    return types.GenerateContentConfig(
        response_modalities=["IMAGE"],
        image_config=types.ImageConfig(aspect_ratio=aspect_ratio, image_size=next(sizes, None)),
    )


def _refused(error: Any) -> Exception:
    """An `errors.APIError` as the error to raise, read from its response as for every service."""
    found = service_error(_SERVICE, _OPERATION, error.response)
    return judgement(found, judged(found, PICTURES))


def _picture(answer: "types.GenerateContentResponse") -> ImageBytes:
    """The first picture that is not a draft of the model's thoughts."""
    for part in answer.parts or []:
        data = part.inline_data.data if part.inline_data and not part.thought else None
        content_type = sniff(data) if data else None
        if data and content_type:
            return ImageBytes(data, content_type)
    raise _no_picture(answer)


def _no_picture(answer: "types.GenerateContentResponse") -> Exception:
    """Why there is none: a refusal comes as a normal response."""
    feedback = answer.prompt_feedback
    blocked = feedback.block_reason if feedback else None
    if blocked:
        return ContentRejected(f"Gemini refused the prompt: {one_line(blocked.value)}")
    end = answer.candidates[0].finish_reason if answer.candidates else None
    reason = one_line(end.value) if end else "empty"
    if reason in _REFUSALS:
        return ContentRejected(f"Gemini refused the picture: {reason}")
    if reason == _ACCOUNT_REFUSED:
        return ServiceError(
            _SERVICE, _OPERATION, f"Gemini refused the account: {reason}", reach="account"
        )
    return _unusable(f"an answer without a picture ({reason})")


def _unusable(what: str) -> ServiceError:
    # Charged by the token: a retry, now or later, would only pay again.
    what = f"{_SERVICE} gave {what}"
    return ServiceError(_SERVICE, _OPERATION, what, billed=True, cause=Cause.NO_RESULT)
