"""Alerts to Slack and Discord, by incoming webhooks.

Their text holds untrusted text of jobs: it is escaped so that it can mention nobody, disguise no
link, and trigger no link preview.
"""

import re
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from config.settings import Settings
from core.alert import Notice

if TYPE_CHECKING:
    from services.alerts.post import AlertPost

# Slack takes one message a second; Discord five in two seconds, for all who post to a channel.
_PACE = timedelta(seconds=1)
# Discord's own limit is 2000.
_MAX_CONTENT = 1900
_MARKDOWN = re.compile(r"([\\*_~`|>\[\]()#-])")
_SUPPRESS_EMBEDS = 1 << 2


class HttpChannel:
    """A channel that alerts are posted to, at a secret address."""

    name: str
    pace = _PACE

    def __init__(self, settings: Settings, address: SecretStr) -> None:
        self._settings = settings
        self._address = address.get_secret_value()

    @cached_property
    def _post(self) -> "AlertPost":
        # Made with the first alert: its HTTP libraries would delay the start by 0.2 s.
        from services.alerts.post import AlertPost

        return AlertPost(self._settings, self.name)

    async def post(self, address: str, **request: Any) -> None:
        """Send one request. Raises ServiceError, which never holds the address."""
        await self._post.send(address, **request)

    async def aclose(self) -> None:
        """Close the connections, if there are any."""
        if "_post" in self.__dict__:
            await self._post.aclose()


class Slack(HttpChannel):
    """`POST {"text"}` to a webhook of Slack, or of a compatible service."""

    name = "Slack"
    variable = "SLACK_WEBHOOK_URL"

    async def send(self, notice: Notice) -> None:
        """Post one message. Raises ServiceError."""
        text = notice.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        plain = {"mrkdwn": False, "link_names": False, "unfurl_links": False, "unfurl_media": False}
        await self.post(self._address, json={"text": text, **plain})


class Discord(HttpChannel):
    """`POST {"content"}` to a webhook of Discord."""

    name = "Discord"
    variable = "DISCORD_WEBHOOK_URL"

    async def send(self, notice: Notice) -> None:
        """Post one message. Raises ServiceError."""
        body = {
            "content": _MARKDOWN.sub(r"\\\1", notice.text)[:_MAX_CONTENT],
            "allowed_mentions": {"parse": list[str]()},
            "flags": _SUPPRESS_EMBEDS,
        }
        await self.post(self._address, json=body)
