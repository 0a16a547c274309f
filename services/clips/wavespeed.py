"""Wavespeed's Veo clips: how a prediction is getting along."""

from datetime import timedelta

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from config.settings import Settings
from core.errors import ServiceError
from services.clips.base import Answer, ClipOutcome, Failed, Running, Succeeded, Unknown
from services.clips.polling import ATTEMPTS, TIMEOUT_S, as_segment, ask, unreadable
from services.net.circuit import Circuit
from services.net.http import new_client, one_line, with_retries

_SERVICE = "Wavespeed"
_ENDED = frozenset({"failed", "cancelled", "canceled", "expired", "timeout"})


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
        self._circuit = Circuit(_SERVICE)
        self._client = new_client(
            settings,
            service=_SERVICE,
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
            return _predicted(await ask(_SERVICE, self._client, path))
        except ServiceError as error:
            if _is_about_the_prediction(error, prediction_id):
                return Unknown(error)
            raise


def _is_about_the_prediction(error: ServiceError, prediction_id: str) -> bool:
    """Whether Wavespeed itself (`{code, message}`) says that it has no such prediction."""
    said = str(error)
    is_named = prediction_id in said or "prediction" in said.lower()
    return error.status in {400, 404} and error.code == str(error.status) and is_named


def _predicted(response: httpx.Response) -> ClipOutcome:
    try:
        prediction = _Predicted.model_validate_json(response.content).data
    except ValidationError:
        raise unreadable(_SERVICE) from None
    if prediction.status in _ENDED:
        reason = one_line(prediction.error or "")
        return Failed(reason or f"Wavespeed ended the clip as {prediction.status}")
    if prediction.status != "completed":
        return Running()
    url = next(iter(prediction.outputs or []), None)
    return Succeeded(url) if url else Failed("Wavespeed ended the clip without a video")
