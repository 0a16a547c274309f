"""Google's Veo clips: the status of an operation.

Google keeps the video in its files API, where `services.net.downloads` sends the key; no URL
holds it.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import SecretStr

from config.settings import Settings
from core.alert import AlertSink, no_alerts
from core.people import Cause
from services.clips.base import (
    OPERATION,
    Answer,
    ClipOutcome,
    Denied,
    Failed,
    Running,
    Succeeded,
    Unknown,
)
from services.clips.polling import ATTEMPTS, TIMEOUT_S, WINDOW, as_path, told_clip, unreadable
from services.clips.refusals import cause_of
from services.google import Google
from services.net.circuit import Circuit
from services.net.http import one_line, service_error, transport_error

if TYPE_CHECKING:
    from google.genai import Client, types

_SERVICE = "Google"
# Google's messages for an operation that it does not have, and for a model or a version.
_NO_OPERATION = ("operation", "requested entity was not found")
_NO_MODEL = ("api version", "listmodels", "is not supported")


class GoogleVeo:
    """Polls operations, whose names are `models/{model}/operations/{id}`."""

    # How long Google keeps the files of videos.
    retention = timedelta(days=2)

    def __init__(self, settings: Settings, key: SecretStr, notify: AlertSink = no_alerts) -> None:
        self._circuit = Circuit(_SERVICE, window=WINDOW, notify=notify)
        self._told = told_clip(_SERVICE)
        self._google = Google(settings, key, timedelta(seconds=TIMEOUT_S), _SERVICE)

    async def status(self, clip_id: str) -> Answer:
        """The status of the operation. Raises ServiceError."""
        name = as_path(clip_id)
        if name is None:
            return Failed("The clip's Google operation name is not one")
        client = await self._google.client()
        return await self._told.with_retries(
            lambda: self._poll(client, name), attempts=ATTEMPTS, circuit=self._circuit
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._google.aclose()

    async def _poll(self, client: "Client", name: str) -> Answer:
        from google.genai import errors, types

        wanted = types.GenerateVideosOperation.model_validate({"name": name})
        try:
            operation = await client.aio.operations.get(wanted)
        except errors.APIError as error:
            return _refused(error)
        except httpx.HTTPError as error:
            raise transport_error(_SERVICE, OPERATION, error) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise unreadable(_SERVICE) from error
        return _operated(operation)


def _refused(error: Any) -> Unknown | Denied:
    """The clip as unknown or denied, by an `errors.APIError`. Raises ServiceError for any other."""
    found = service_error(_SERVICE, OPERATION, error.response)
    if found.code == "PERMISSION_DENIED":
        return Denied(found)
    message = str(found).lower()
    is_named = any(words in message for words in _NO_OPERATION)
    is_of_a_model = any(words in message for words in _NO_MODEL)
    if found.code == "NOT_FOUND" and is_named and not is_of_a_model:
        return Unknown(found)
    raise found from error


def _operated(operation: "types.GenerateVideosOperation") -> ClipOutcome:
    if not operation.done:
        return Running()
    if operation.error:
        reason = one_line(str(operation.error.get("message") or ""))
        return Failed(reason or "Google ended the clip without a reason", cause_of(reason))
    answer = operation.response
    videos = answer.generated_videos or [] if answer else []
    url = next((one.video.uri for one in videos if one.video and one.video.uri), None)
    if url:
        return Succeeded(url)
    # A refusal comes as a normal response: no video, but reasons.
    reasons = answer.rai_media_filtered_reasons or [] if answer else []
    if not reasons:
        return Failed("Google ended the clip without a video")
    return Failed(one_line(" ".join(reasons)) or "Google refused the clip", Cause.REFUSED)
