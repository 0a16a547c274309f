"""One channel's requests: an alert is sent by POST to a secret address."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx

from config.settings import Settings
from core.errors import ServiceError
from services.alerts.limits import demanded_wait
from services.net.http import new_client, service_error, transport_error

_TIMEOUT = httpx.Timeout(10.0)
_OPERATION = "take an alert"


class AlertPost:
    """Posts alerts; `channel` names the service in errors. `now` in seconds, for tests."""

    def __init__(
        self, settings: Settings, channel: str, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._channel = channel
        self._now = now
        self._free_at = float("-inf")
        self._client = new_client(settings, service="alerts", timeout=_TIMEOUT)

    async def send(self, address: str, **request: Any) -> None:
        """Send one alert. Raises ServiceError, which never holds the address.

        Nothing is sent for as long as the channel has said that it takes no more.
        """
        self._check_limit()
        try:
            response = await self._client.post(address, **request)
        except httpx.InvalidURL:
            reason = f"the address of {self._channel} is not a valid URL"
            raise ServiceError(self._channel, _OPERATION, reason) from None
        except httpx.HTTPError as error:
            raise transport_error(self._channel, _OPERATION, error) from error
        wait = demanded_wait(response)
        if wait is not None:
            self._free_at = self._now() + wait.total_seconds()
        if not response.is_success:
            error = service_error(self._channel, _OPERATION, response)
            error.retry_after = max(filter(None, (wait, error.retry_after)), default=None)
            raise error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _check_limit(self) -> None:
        left_s = self._free_at - self._now()
        if left_s > 0:
            raise ServiceError(
                self._channel,
                _OPERATION,
                f"{self._channel} takes no alerts for {left_s:.0f} s more, as it has said",
                retryable=True,
                retry_after=timedelta(seconds=left_s),
            )
