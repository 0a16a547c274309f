"""One channel's requests: an alert is sent by POST to a secret address."""

from datetime import timedelta
from typing import Any

import httpx
from pydantic import BaseModel, ValidationError

from config.settings import Settings
from core.errors import ServiceError
from services.net.http import new_client, service_error, transport_error

_TIMEOUT = httpx.Timeout(10.0)
_OPERATION = "take an alert"


class _Wait(BaseModel):
    """The body of Discord's 429: seconds, which its header rounds."""

    retry_after: float = 0


class AlertPost:
    """Posts alerts; `channel` names the service in errors."""

    def __init__(self, settings: Settings, channel: str) -> None:
        self._channel = channel
        self._client = new_client(settings, service="alerts", timeout=_TIMEOUT)

    async def send(self, address: str, **request: Any) -> None:
        """Send one alert. Raises ServiceError, which never holds the address."""
        try:
            response = await self._client.post(address, **request)
        except httpx.InvalidURL:
            reason = f"the address of {self._channel} is not a valid URL"
            raise ServiceError(self._channel, _OPERATION, reason) from None
        except httpx.HTTPError as error:
            raise transport_error(self._channel, _OPERATION, error) from error
        if not response.is_success:
            raise _refusal(self._channel, response)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _refusal(channel: str, response: httpx.Response) -> ServiceError:
    error = service_error(channel, _OPERATION, response)
    try:
        wait = timedelta(seconds=_Wait.model_validate_json(response.content).retry_after)
    except (ValidationError, OverflowError):
        return error
    error.retry_after = max(error.retry_after or timedelta(0), wait) or None
    return error
