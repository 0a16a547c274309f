"""Where alerts go: the channels that the settings name."""

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
    """One place where people read alerts. `variable` sets it; `pace` lies between two notices."""

    name: str
    variable: str
    pace: timedelta

    async def send(self, notice: Notice) -> None:
        """Raises ServiceError when it was not taken."""
        ...

    async def aclose(self) -> None:
        """Close what was opened."""
        ...


def channels(settings: Settings, redact: Redact) -> list[Channel]:
    """Those that are set. Sentry needs a package of its own: without it a line says so."""
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
