"""BytePlus Seedance: how a video task is getting along.

`GET {base}/contents/generations/tasks/{id}`; tasks are known for 7 days, their videos for one.
"""

import re
from datetime import timedelta

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from config.settings import Settings
from core.errors import ServiceError
from services.clips.base import Answer, ClipOutcome, Failed, Running, Succeeded, Unknown
from services.clips.polling import ATTEMPTS, TIMEOUT_S, as_segment, ask, unreadable
from services.net.circuit import Circuit
from services.net.http import new_client, one_line, with_retries

_SERVICE = "Seedance"
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


class Seedance:
    """Answers for Seedance tasks."""

    keeps = timedelta(days=7)

    def __init__(self, settings: Settings, key: SecretStr) -> None:
        self._circuit = Circuit(_SERVICE)
        self._client = new_client(
            settings,
            service=_SERVICE,
            base_url=settings.byteplus_url,
            headers={"Authorization": f"Bearer {key.get_secret_value()}"},
            timeout=httpx.Timeout(TIMEOUT_S, connect=10),
        )

    async def status(self, clip_id: str) -> Answer:
        """How the task is getting along. Raises ServiceError."""
        segment = as_segment(clip_id)
        if segment is None:
            return Failed("The clip's Seedance task id is not one")
        path = f"/contents/generations/tasks/{segment}"
        return await with_retries(
            lambda: self._ask(path, clip_id), attempts=ATTEMPTS, circuit=self._circuit
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, path: str, task_id: str) -> Answer:
        try:
            return _outcome(await ask(_SERVICE, self._client, path))
        except ServiceError as error:
            if _is_about_the_task(error, task_id):
                return Unknown(error)
            raise


def _is_about_the_task(error: ServiceError, task_id: str) -> bool:
    """Whether ModelArk itself says that it has no such task, or that its id cannot be one."""
    codes = {404: _NOT_FOUND, 400: _WRONG_ID}.get(error.status or 0)
    said = str(error)
    is_named = task_id in said or "task" in said.lower()
    return codes is not None and is_named and codes.fullmatch(error.code or "") is not None


def _outcome(response: httpx.Response) -> ClipOutcome:
    try:
        task = _Task.model_validate_json(response.content)
    except ValidationError:
        raise unreadable(_SERVICE) from None
    if task.status in _ENDED:
        error = task.error or _Error()
        reason = one_line(error.message or error.code or "")
        return Failed(reason or f"Seedance ended the clip's task as {task.status}")
    if task.status != "succeeded":
        return Running()
    content = task.content or _Content()
    if not content.video_url:
        return Failed("Seedance ended the clip's task without a video")
    return Succeeded(content.video_url, content.last_frame_url or None)
