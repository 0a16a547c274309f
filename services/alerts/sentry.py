"""Alerts to Sentry: its SDK makes the events, our own client brings them there.

So they go the way of all other requests: with the worker's certificates, past any proxy of the
environment, obeying 429, failing with a log line; and no thread of the SDK's outlives the worker.
"""

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import SecretStr

from config.logging.redaction import Redact
from config.settings import Settings
from core.alert import Notice
from services.alerts.webhooks import HttpChannel

if TYPE_CHECKING:
    from services.alerts.sentry_events import SentryEvents


class Sentry(HttpChannel):
    """Events in envelopes to the DSN's host."""

    name = "Sentry"
    variable = "SENTRY_DSN"

    def __init__(self, settings: Settings, dsn: SecretStr, redact: Redact) -> None:
        super().__init__(settings, dsn)
        self._redact = redact

    @cached_property
    def _events(self) -> "SentryEvents":
        # 0.3 s, with the first alert and in a thread: the start does not wait for it.
        from services.alerts.sentry_events import SentryEvents

        return SentryEvents(self._settings, self._address, self._redact)

    async def send(self, notice: Notice) -> None:
        """Raises ServiceError when it was not taken."""
        events, envelope = await asyncio.to_thread(self._enveloped, notice)
        await self.post(events.address, content=envelope, headers=events.headers)

    def _enveloped(self, notice: Notice) -> tuple["SentryEvents", bytes]:
        return self._events, self._events.envelope(notice)
