"""The channels for alerts that the settings name."""

from datetime import timedelta
from importlib.util import find_spec
from typing import Protocol

from loguru import logger

from config.logging.redaction import Redact
from config.settings import Settings
from core.alert import Notice
from services.alerts.sentry import Sentry
from services.alerts.webhooks import Discord, Slack


class Channel(Protocol):
    """A destination of alerts. `variable` configures it; `pace` is the time between two notices."""

    name: str
    variable: str
    pace: timedelta

    async def send(self, notice: Notice) -> None:
        """Deliver one notice. Raises ServiceError."""
        ...

    async def aclose(self) -> None:
        """Close what was opened."""
        ...


def channels(settings: Settings, redact: Redact) -> list[Channel]:
    """Those that are configured. Logs a warning when Sentry is set but its package is missing."""
    found: list[Channel] = []
    if settings.slack_webhook is not None:
        found.append(Slack(settings, settings.slack_webhook))
    if settings.discord_webhook is not None:
        found.append(Discord(settings, settings.discord_webhook))
    if settings.sentry_dsn is not None:
        if find_spec("sentry_sdk") is None:
            logger.warning(
                "SENTRY_DSN is set, but nothing goes to Sentry: the package sentry-sdk is missing, "
                "install requirements/worker.txt"
            )
        else:
            found.append(Sentry(settings, settings.sentry_dsn, redact))
    return found
