"""Alerts to Slack and Discord, by incoming webhooks.

Their text holds what jobs brought along: it can address nobody, be no link with another name, and
have no page fetched for a preview.
"""

import re
from datetime import timedelta
from functools import cached_property
from typing import Any

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from config.settings import Settings
from core.alert import Notice
from core.errors import ServiceError
from services.http import new_client, service_error, transport_error

# Slack takes one message a second; Discord five in two seconds, for all who post to a channel.
_PACE = timedelta(seconds=1)
_TIMEOUT = httpx.Timeout(10.0)
# Discord's own limit is 2000.
_MAX_CONTENT = 1900
_MARKDOWN = re.compile(r"([\\*_~`|>\[\]()#-])")
_SUPPRESS_EMBEDS = 1 << 2


class _Wait(BaseModel):
    """Of a 429 of Discord's: seconds, which its header rounds."""

    retry_after: float = 0


class HttpChannel:
    """A channel that is posted to, at an address that is a secret."""

    name: str
    pace = _PACE

    def __init__(self, settings: Settings, address: SecretStr) -> None:
        self._settings = settings
        self._address = address.get_secret_value()

    @cached_property
    def _client(self) -> httpx.AsyncClient:
        return new_client(self._settings, service="alerts", timeout=_TIMEOUT)

    async def post(self, address: str, **request: Any) -> None:
        """Raises ServiceError, which never holds the address, unless it was taken."""
        operation = "take an alert"
        try:
            response = await self._client.post(address, **request)
        except httpx.InvalidURL:
            reason = f"the address of {self.name} is none that can be asked"
            raise ServiceError(self.name, operation, reason) from None
        except httpx.HTTPError as error:
            raise transport_error(self.name, operation, error) from error
        if not response.is_success:
            raise _refusal(self.name, operation, response)

    async def aclose(self) -> None:
        """Close the connections, if there are any."""
        if "_client" in self.__dict__:
            await self._client.aclose()


class Slack(HttpChannel):
    """`POST {"text"}` to a webhook of Slack's, or of what understands the same."""

    name = "Slack"
    variable = "SLACK_WEBHOOK_URL"

    async def send(self, notice: Notice) -> None:
        """Raises ServiceError when it was not taken."""
        text = notice.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        plain = {"mrkdwn": False, "link_names": False, "unfurl_links": False, "unfurl_media": False}
        await self.post(self._address, json={"text": text, **plain})


class Discord(HttpChannel):
    """`POST {"content"}` to a webhook of Discord's."""

    name = "Discord"
    variable = "DISCORD_WEBHOOK_URL"

    async def send(self, notice: Notice) -> None:
        """Raises ServiceError when it was not taken."""
        body = {
            "content": _MARKDOWN.sub(r"\\\1", notice.text)[:_MAX_CONTENT],
            "allowed_mentions": {"parse": list[str]()},
            "flags": _SUPPRESS_EMBEDS,
        }
        await self.post(self._address, json=body)


def _refusal(service: str, operation: str, response: httpx.Response) -> ServiceError:
    error = service_error(service, operation, response)
    try:
        wait = timedelta(seconds=_Wait.model_validate_json(response.content).retry_after)
    except (ValidationError, OverflowError):
        return error
    error.retry_after = max(error.retry_after or timedelta(0), wait) or None
    return error
