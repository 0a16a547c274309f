"""Veo clips: predictions of Wavespeed, and operations of Google itself.

Google keeps the video in its files API, where `services.downloads` shows the key; no URL holds it.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from config.settings import Settings
from services.circuit import Circuit
from services.clip_question import ATTEMPTS, TIMEOUT_S, as_path, as_segment, ask, unreadable
from services.clip_status import OPERATION, ClipOutcome, Failed, Running, Succeeded
from services.google import Google
from services.http import new_client, one_line, service_error, transport_error, with_retries

if TYPE_CHECKING:
    from google.genai import Client, types

_WAVESPEED = "Wavespeed"
_GOOGLE = "Google"
_ENDED = frozenset({"failed", "cancelled", "canceled", "expired", "timeout"})


class _Prediction(BaseModel):
    status: str
    outputs: list[str] | None = None
    error: str | None = None


class _Answer(BaseModel):
    data: _Prediction


class WavespeedVeo:
    """Answers for predictions: `GET {base}/predictions/{id}/result`."""

    def __init__(self, settings: Settings, key: SecretStr) -> None:
        self._circuit = Circuit(_WAVESPEED)
        self._client = new_client(
            settings,
            service=_WAVESPEED,
            base_url=settings.wavespeed_url,
            headers={"Authorization": f"Bearer {key.get_secret_value()}"},
            timeout=httpx.Timeout(TIMEOUT_S, connect=10),
        )

    async def status(self, clip_id: str) -> ClipOutcome:
        """How the prediction is getting along. Raises ServiceError."""
        segment = as_segment(clip_id)
        if segment is None:
            return Failed("The clip's Wavespeed prediction id is not one")
        path = f"/predictions/{segment}/result"
        return await with_retries(lambda: self._ask(path), attempts=ATTEMPTS, circuit=self._circuit)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, path: str) -> ClipOutcome:
        answer = await ask(_WAVESPEED, self._client, path)
        return answer if isinstance(answer, Failed) else _predicted(answer)


class GoogleVeo:
    """Answers for operations, whose names are `models/{model}/operations/{id}`."""

    def __init__(self, settings: Settings, key: SecretStr) -> None:
        self._circuit = Circuit(_GOOGLE)
        self._google = Google(settings, key, timedelta(seconds=TIMEOUT_S), _GOOGLE)

    async def status(self, clip_id: str) -> ClipOutcome:
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

    async def _ask(self, client: "Client", name: str) -> ClipOutcome:
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


def _refused(error: Any) -> Failed:
    """What an `errors.APIError` says of the clip. Raises ServiceError when it says nothing."""
    if error.code == httpx.codes.NOT_FOUND.value:
        return Failed("Google no longer knows the clip: it is older than 7 days")
    raise service_error(_GOOGLE, OPERATION, error.response) from error


def _predicted(response: httpx.Response) -> ClipOutcome:
    try:
        prediction = _Answer.model_validate_json(response.content).data
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
