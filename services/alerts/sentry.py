"""Alerts to Sentry: its SDK makes the events, our own HTTP client sends them.

So they are sent like all other requests: with the worker's certificates, ignoring proxy variables,
obeying 429, logging failures; and no thread of the SDK outlives the worker.
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
        # Takes 0.3 s: loaded with the first alert and in a thread, not at start-up.
        from services.alerts.sentry_events import SentryEvents

        return SentryEvents(self._settings, self._address, self._redact)

    async def send(self, notice: Notice) -> None:
        """Send one event. Raises ServiceError."""
        events, envelope = await asyncio.to_thread(self._enveloped, notice)
        await self.post(events.address, content=envelope, headers=events.headers)

    def _enveloped(self, notice: Notice) -> tuple["SentryEvents", bytes]:
        return self._events, self._events.envelope(notice)
