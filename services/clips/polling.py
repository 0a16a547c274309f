"""Polls the vendors of clips.

Polling is free and changes nothing, so transient errors are retried at once. A refusal does not end
the clip, whose video may be ready, unless the vendor itself reports this clip as unknown: a wrong
address, key, region or version is refused with the same statuses.
"""

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import ClassVar
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from config.settings import Settings
from core.alert import AlertSink
from core.errors import ServiceError
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
from services.net.circuit import Circuit
from services.net.http import new_client, service_error, transport_error
from services.net.told import Told

# A response takes a second; three tries bridge a hiccup, the job's own attempts an outage.
TIMEOUT_S = 30
ATTEMPTS = 3
# Limits of requests are counted by the minute (wavespeed.ai/docs/troubleshooting-guide).
WINDOW = timedelta(minutes=1)


class PolledVendor(ABC):
    """A vendor with a key, polled by one GET for each clip.

    `path` has a place for the id of the clip, which the vendor calls `id_name`.
    """

    service: ClassVar[str]
    path: ClassVar[str]
    id_name: ClassVar[str]

    def __init__(
        self, settings: Settings, base_url: str, key: SecretStr, notify: AlertSink
    ) -> None:
        self._circuit = Circuit(self.service, window=WINDOW, notify=notify)
        self._told = told_clip(self.service)
        self._client = new_client(
            settings,
            service=self.service,
            base_url=base_url,
            headers={"Authorization": f"Bearer {key.get_secret_value()}"},
            timeout=httpx.Timeout(TIMEOUT_S, connect=10),
        )

    async def status(self, clip_id: str) -> Answer:
        """See `ClipProvider`."""
        segment = as_segment(clip_id)
        if segment is None:
            return Failed(f"The clip's {self.service} {self.id_name} is not one")
        path = self.path.format(segment)
        return await self._told.with_retries(
            lambda: self._poll(path, clip_id), attempts=ATTEMPTS, circuit=self._circuit
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    @staticmethod
    @abstractmethod
    def outcome(response: httpx.Response) -> ClipOutcome:
        """The status in a response of 200. Raises ServiceError when it cannot be read."""

    @staticmethod
    @abstractmethod
    def is_unknown(error: ServiceError, clip_id: str) -> bool:
        """Whether the error is the vendor's own report that it has no such clip."""

    async def _poll(self, path: str, clip_id: str) -> Answer:
        try:
            return self.outcome(await self._get(path))
        except ServiceError as error:
            if self.is_unknown(error, clip_id):
                return Unknown(error)
            raise

    async def _get(self, path: str) -> httpx.Response:
        """The response of 200 from `path`. Raises ServiceError for any other."""
        try:
            response = await self._client.get(path)
        except httpx.HTTPError as error:
            raise transport_error(self.service, OPERATION, error) from error
        if response.status_code != httpx.codes.OK.value:
            raise service_error(self.service, OPERATION, response)
        return response


def told_clip(service: str) -> Told[Answer]:
    """How polls of a clip are told in the log of the job that polls it."""
    return Told(service, "clip", _found, is_polled=True)


def _found(answer: Answer) -> str:
    match answer:
        case Running():
            return "running"
        case Succeeded():
            return "ready"
        case Failed(message=message):
            return f'failed, "{message}"'
        case Unknown(error=error):
            return f'unknown, "{error}"'
        case Denied(error=error):
            return f'denied, "{error}"'


def unreadable(service: str) -> ServiceError:
    """The error for a response of 200 that is not of the documented shape."""
    message = f"{service} gave an answer that cannot be read"
    return ServiceError(service, OPERATION, message, retryable=True)


def as_path(text: str) -> str | None:
    """An id as a safe relative path; None when it has empty or dotted segments."""
    segments = text.split("/")
    if any(segment.strip(".") == "" for segment in segments):
        return None
    return "/".join(quote(segment, safe=":") for segment in segments)


def as_segment(text: str) -> str | None:
    """An id as one segment of a path; None when it cannot be one."""
    return quote(text, safe="") if text.strip(".") else None
