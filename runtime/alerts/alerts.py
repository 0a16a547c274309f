"""Sends alerts from jobs to the channels: redacted, grouped, without blocking the caller."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from config.logging.redaction import Redact, scrubber
from config.settings import Settings
from core.alert import Alert, Notice
from runtime.alerts.groups import AlertGroups
from runtime.alerts.outbox import Outbox
from services.alerts.channels import Channel, channels

_WINDOW = timedelta(minutes=1)
# How long pending alerts may take when the worker stops.
_DRAIN = timedelta(seconds=1)


class Alerts:
    """Passes alerts to the channels. `source` names this worker; `window` is for tests."""

    def __init__(
        self, to: Sequence[Channel], redact: Redact, source: str, *, window: timedelta = _WINDOW
    ) -> None:
        self._outboxes = [Outbox(channel) for channel in to]
        self._redact = redact
        self._source = source
        self._window_s = window.total_seconds()
        self._groups = AlertGroups()

    def notify(self, alert: Alert) -> None:
        """Send it, or count it when one of its kind was sent a minute ago or less.

        Call it on the event loop. Does not block, and raises nothing.
        """
        if not self._outboxes:
            return
        alert = self._redacted(alert)
        group = self._groups.add(alert)
        if group is not None:
            self._put(Notice(alert, alert.text))
            self._sum_up_later(group)

    async def run(self) -> None:
        """Send pending alerts, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for outbox in self._outboxes:
                tasks.create_task(outbox.run())

    async def drain(self, time: timedelta) -> None:
        """Sum up the counted alerts, and send what is pending within `time`."""
        for group in self._groups.names():
            self._sum_up(group)
        leaving = [asyncio.create_task(outbox.drain()) for outbox in self._outboxes]
        if leaving:
            _, late = await asyncio.wait(leaving, timeout=time.total_seconds())
            for task in late:
                task.cancel()

    def _sum_up_later(self, group: str) -> None:
        asyncio.get_running_loop().call_later(self._window_s, self._window_over, group)

    def _window_over(self, group: str) -> None:
        if self._sum_up(group):
            self._sum_up_later(group)

    def _sum_up(self, group: str) -> bool:
        notice = self._groups.sum_up(group)
        if notice is not None:
            self._put(notice)
        return notice is not None

    def _put(self, notice: Notice) -> None:
        signed = replace(notice, text=f"{notice.text} · {self._source}")
        for outbox in self._outboxes:
            outbox.put(signed)

    def _redacted(self, alert: Alert) -> Alert:
        about = {name: self._redact(value) for name, value in alert.about.items()}
        kind, text = self._redact(alert.kind), self._redact(alert.text)
        return replace(alert, kind=kind, text=text, about=about)


@asynccontextmanager
async def open_alerts(settings: Settings) -> AsyncGenerator[Alerts]:
    """Alerts to the configured channels, if any. On exit, pending ones are sent."""
    redact = scrubber(settings.secrets())
    to = channels(settings, redact)
    source = f"{settings.environment}, queue {settings.queue_name}, host {socket.gethostname()}"
    alerts = Alerts(to, redact, source)
    sending = asyncio.create_task(alerts.run(), name="alerts")
    try:
        yield alerts
    finally:
        await alerts.drain(_DRAIN)
        sending.cancel()
        await asyncio.wait({sending})
        for channel in to:
            await channel.aclose()
