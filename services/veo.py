"""Veo clips: predictions of Wavespeed, and operations of Google itself.

Google keeps the video in its files API, where `services.downloads` shows the key; no URL holds it.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from config.settings import Settings
from core.errors import ServiceError
from services.circuit import Circuit
from services.clip_question import ATTEMPTS, TIMEOUT_S, as_path, as_segment, ask, unreadable
from services.clip_status import (
    OPERATION,
    Answer,
    ClipOutcome,
    Failed,
    Running,
    Succeeded,
    Unknown,
)
from services.google import Google
from services.http import new_client, one_line, service_error, transport_error, with_retries

if TYPE_CHECKING:
    from google.genai import Client, types

_WAVESPEED = "Wavespeed"
_GOOGLE = "Google"
_ENDED = frozenset({"failed", "cancelled", "canceled", "expired", "timeout"})


# What Google says of an operation that it does not have, and of a model or a version.
_NO_OPERATION = ("operation", "requested entity was not found")
_NO_MODEL = ("api version", "listmodels", "is not supported")


class _Prediction(BaseModel):
    status: str
    outputs: list[str] | None = None
    error: str | None = None


class _Predicted(BaseModel):
    data: _Prediction


class WavespeedVeo:
    """Answers for predictions: `GET {base}/predictions/{id}/result`."""

    # Wavespeed does not say: as long as the most patient of the others.
    keeps = timedelta(days=7)

    def __init__(self, settings: Settings, key: SecretStr) -> None:
        self._circuit = Circuit(_WAVESPEED)
        self._client = new_client(
            settings,
            service=_WAVESPEED,
            base_url=settings.wavespeed_url,
            headers={"Authorization": f"Bearer {key.get_secret_value()}"},
            timeout=httpx.Timeout(TIMEOUT_S, connect=10),
        )

    async def status(self, clip_id: str) -> Answer:
        """How the prediction is getting along. Raises ServiceError."""
        segment = as_segment(clip_id)
        if segment is None:
            return Failed("The clip's Wavespeed prediction id is not one")
        path = f"/predictions/{segment}/result"
        return await with_retries(
            lambda: self._ask(path, clip_id), attempts=ATTEMPTS, circuit=self._circuit
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, path: str, prediction_id: str) -> Answer:
        try:
            return _predicted(await ask(_WAVESPEED, self._client, path))
        except ServiceError as error:
            if _is_about_the_prediction(error, prediction_id):
                return Unknown(error)
            raise


class GoogleVeo:
    """Answers for operations, whose names are `models/{model}/operations/{id}`."""

    # So long Google keeps the files of videos.
    keeps = timedelta(days=2)

    def __init__(self, settings: Settings, key: SecretStr) -> None:
        self._circuit = Circuit(_GOOGLE)
        self._google = Google(settings, key, timedelta(seconds=TIMEOUT_S), _GOOGLE)

    async def status(self, clip_id: str) -> Answer:
        """How the operation is getting along. Raises ServiceError."""
        name = as_path(clip_id)
        if name is None:
            return Failed("The clip's Google operation name is not one")
        client = await self._google.client()
        return await with_retries(
            lambda: self._ask(client, name), attempts=ATTEMPTS, circuit=self._circuit
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._google.aclose()

    async def _ask(self, client: "Client", name: str) -> Answer:
        from google.genai import errors, types

        asked = types.GenerateVideosOperation.model_validate({"name": name})
        try:
            operation = await client.aio.operations.get(asked)
        except errors.APIError as error:
            return _refused(error)
        except httpx.HTTPError as error:
            raise transport_error(_GOOGLE, OPERATION, error) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise unreadable(_GOOGLE) from error
        return _operated(operation)


def _is_about_the_prediction(error: ServiceError, prediction_id: str) -> bool:
    """Whether Wavespeed itself (`{code, message}`) says that it has no such prediction."""
    said = str(error)
    is_named = prediction_id in said or "prediction" in said.lower()
    return error.status in {400, 404} and error.code == str(error.status) and is_named


def _refused(error: Any) -> Unknown:
    """What an `errors.APIError` says of the clip. Raises ServiceError when it says nothing."""
    found = service_error(_GOOGLE, OPERATION, error.response)
    said = str(found).lower()
    is_named = any(words in said for words in _NO_OPERATION)
    is_of_a_model = any(words in said for words in _NO_MODEL)
    if found.code == "NOT_FOUND" and is_named and not is_of_a_model:
        return Unknown(found)
    raise found from error


def _predicted(response: httpx.Response) -> ClipOutcome:
    try:
        prediction = _Predicted.model_validate_json(response.content).data
    except ValidationError:
        raise unreadable(_WAVESPEED) from None
    if prediction.status in _ENDED:
        reason = one_line(prediction.error or "")
        return Failed(reason or f"Wavespeed ended the clip as {prediction.status}")
    if prediction.status != "completed":
        return Running()
    url = next(iter(prediction.outputs or []), None)
    return Succeeded(url) if url else Failed("Wavespeed ended the clip without a video")


def _operated(operation: "types.GenerateVideosOperation") -> ClipOutcome:
    if not operation.done:
        return Running()
    if operation.error:
        reason = one_line(str(operation.error.get("message") or ""))
        return Failed(reason or "Google ended the clip without a reason")
    answer = operation.response
    videos = answer.generated_videos or [] if answer else []
    url = next((one.video.uri for one in videos if one.video and one.video.uri), None)
    if url:
        return Succeeded(url)
    # A refusal comes as an ordinary answer: no video, and the reasons beside it.
    reasons = answer.rai_media_filtered_reasons or [] if answer else []
    return Failed(one_line(" ".join(reasons)) or "Google ended the clip without a video")
