"""BytePlus Seedance: the status of a video task.

`GET {base}/contents/generations/tasks/{id}`; tasks are known for 7 days, their videos for one.
"""

import re
from datetime import timedelta

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from config.settings import Settings
from core.alert import AlertSink, no_alerts
from core.errors import ServiceError
from services.clips.base import ClipOutcome, Failed, Running, Succeeded
from services.clips.polling import PolledVendor, unreadable
from services.clips.refusals import cause_of
from services.net.http import one_line

_ENDED = frozenset({"failed", "cancelled", "expired"})
# Not of an endpoint or a model, which ModelArk also calls `…NotFound`.
_NOT_FOUND = re.compile(r"(?:Resource|Task)?NotFound(?:\..+)?")
_WRONG_ID = re.compile(r"InvalidParameter(?:\..+)?")


class _Error(BaseModel):
    code: str | None = None
    message: str | None = None


class _Content(BaseModel):
    video_url: str | None = None
    last_frame_url: str | None = None


class _Task(BaseModel):
    status: str
    error: _Error | None = None
    content: _Content | None = None


class Seedance(PolledVendor):
    """Polls Seedance tasks."""

    service = "Seedance"
    path = "/contents/generations/tasks/{}"
    id_name = "task id"
    retention = timedelta(days=7)

    def __init__(self, settings: Settings, key: SecretStr, notify: AlertSink = no_alerts) -> None:
        super().__init__(settings, settings.byteplus_url, key, notify)

    @staticmethod
    def outcome(response: httpx.Response) -> ClipOutcome:
        """A task that ended without a video has failed."""
        try:
            task = _Task.model_validate_json(response.content)
        except ValidationError:
            raise unreadable(Seedance.service) from None
        if task.status in _ENDED:
            error = task.error or _Error()
            reason = one_line(error.message or error.code or "")
            cause = cause_of(error.code, error.message, task.status)
            return Failed(reason or f"Seedance ended the clip's task as {task.status}", cause)
        if task.status != "succeeded":
            return Running()
        content = task.content or _Content()
        if not content.video_url:
            return Failed("Seedance ended the clip's task without a video")
        return Succeeded(content.video_url, content.last_frame_url or None)

    @staticmethod
    def is_unknown(error: ServiceError, clip_id: str) -> bool:
        """Whether ModelArk itself reports that it has no such task, or that the id is invalid."""
        codes = {404: _NOT_FOUND, 400: _WRONG_ID}.get(error.status or 0)
        message = str(error)
        is_named = clip_id in message or "task" in message.lower()
        return codes is not None and is_named and codes.fullmatch(error.code or "") is not None
