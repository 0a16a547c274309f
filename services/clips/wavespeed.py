"""Wavespeed's Veo clips: the status of a prediction."""

from datetime import timedelta

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from config.settings import Settings
from core.alert import AlertSink, no_alerts
from core.errors import ServiceError
from services.accounts.vendor import UNKNOWN_ID, Question, Vendor
from services.accounts.wavespeed import BALANCE, PREDICTION
from services.clips.base import ClipOutcome, Failed, Running, Succeeded
from services.clips.polling import PolledVendor, unreadable
from services.clips.refusals import cause_of
from services.net.http import one_line

_ENDED = frozenset({"failed", "cancelled", "canceled", "expired", "timeout"})
_PATH = "/predictions/{}/result"


def _questions(settings: Settings) -> tuple[Question, Question]:
    base = settings.wavespeed_url
    path = _PATH.format(UNKNOWN_ID)
    return (
        Question(f"accepts the key at {base}", f"{base}{path}", PREDICTION, where=base),
        Question("has credit for this account", f"{base}/balance", BALANCE, where=base),
    )


WAVESPEED = Vendor(
    "Wavespeed",
    key_field="wavespeed_key",
    serves="Wavespeed's Veo clips",
    questions=_questions,
)


class _Prediction(BaseModel):
    status: str
    outputs: list[str] | None = None
    error: str | None = None


class _Predicted(BaseModel):
    data: _Prediction


class WavespeedVeo(PolledVendor):
    """Polls predictions: `GET {base}/predictions/{id}/result`."""

    service = "Wavespeed"
    path = _PATH
    id_name = "prediction id"
    # Not documented: the longest of the other providers' is assumed.
    retention = timedelta(days=7)

    def __init__(self, settings: Settings, key: SecretStr, notify: AlertSink = no_alerts) -> None:
        super().__init__(settings, settings.wavespeed_url, key, notify)

    @staticmethod
    def outcome(response: httpx.Response) -> ClipOutcome:
        """A prediction that ended without a video has failed."""
        try:
            prediction = _Predicted.model_validate_json(response.content).data
        except ValidationError:
            raise unreadable(WavespeedVeo.service) from None
        if prediction.status in _ENDED:
            reason = one_line(prediction.error or "")
            cause = cause_of(reason, prediction.status)
            return Failed(reason or f"Wavespeed ended the clip as {prediction.status}", cause)
        if prediction.status != "completed":
            return Running()
        url = next(iter(prediction.outputs or []), None)
        return Succeeded(url) if url else Failed("Wavespeed ended the clip without a video")

    @staticmethod
    def is_unknown(error: ServiceError, clip_id: str) -> bool:
        """Whether Wavespeed itself (`{code, message}`) reports that it has no such prediction."""
        message = str(error)
        is_named = clip_id in message or "prediction" in message.lower()
        return error.status in {400, 404} and error.code == str(error.status) and is_named
