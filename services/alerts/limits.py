"""For how long a channel takes no more alerts, by what it answered."""

import re
from datetime import timedelta

import httpx
from pydantic import BaseModel, ValidationError

# What Sentry calls events such as ours.
_CATEGORY = "error"
# Nine digits are 30 years: more is nonsense that would overflow.
_SECONDS = re.compile(r"[0-9]{1,9}")


class _Wait(BaseModel):
    """The body of Discord's 429: seconds, which its header rounds."""

    retry_after: float = 0


def demanded_wait(response: httpx.Response) -> timedelta | None:
    """As Sentry's header says of errors, or Discord's body; None when neither demands anything."""
    limits = response.headers.get("x-sentry-rate-limits", "").split(",")
    waits = [*map(_sentry_wait, limits), _discord_wait(response)]
    return max((wait for wait in waits if wait > timedelta(0)), default=None)


def _sentry_wait(limit: str) -> timedelta:
    """Of one limit, as in `60:error;transaction:organization:quota_exceeded`.

    Without categories it is for all. It is obeyed whatever the status, as by Sentry's own SDK
    (sentry-python:sentry_sdk/transport.py).
    """
    seconds, _, rest = limit.strip().partition(":")
    categories = rest.partition(":")[0]
    is_ours = not categories or _CATEGORY in categories.split(";")
    if not is_ours or not _SECONDS.fullmatch(seconds):
        return timedelta(0)
    return timedelta(seconds=int(seconds))


def _discord_wait(response: httpx.Response) -> timedelta:
    try:
        return timedelta(seconds=_Wait.model_validate_json(response.content).retry_after)
    except (ValidationError, OverflowError):
        return timedelta(0)
