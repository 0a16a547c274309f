"""A hundred thousand log lines with every secret, at every place, in every spelling."""

import itertools
import logging
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from loguru import logger

from tests.support.logs import worker_log
from tests.unit.config.logging.test_redaction import SPELLINGS

# In each form. Those with tracebacks cost ten times as much.
LINES, TRACES = 47_000, 3_000

KEYS = {
    "SUPABASE_SERVICE_KEY": "sb_secret_0a1b2c3d4e",
    "BYTEPLUS_API_KEY": 'ark"1\\2/3+4=5',
    "GOOGLE_AI_API_KEY": "AIzaSyD-1234567890",
    "WAVESPEED_API_KEY": "wave%speed&key<1>",
    "SHOTSTACK_API_KEY": "shot'stack key",
    "HEALTH_TOKEN": "health-token-123",
    "SENTRY_DSN": "https://0123456789abcdef0123456789abcdef@o1.example/42",
    "SLACK_WEBHOOK_URL": "https://chat.example/services/T0/B0/XxXxXxXxXxXxXxXxXxXxXxXx",
    "DISCORD_WEBHOOK_URL": "https://talk.example/api/webhooks/1/YyYyYyYy-YyYyYyYyYyYyYyYyYy_Y",
}
# What must not be seen: the values, and what is a key inside of an address.
SECRETS = [
    *KEYS.values(),
    "re/dis+pass",
    "0123456789abcdef0123456789abcdef",
    "XxXxXxXxXxXxXxXxXxXxXxXx",
    "YyYyYyYy-YyYyYyYyYyYyYyYyYy_Y",
]


class Holder:
    """Something whose text is only made when the line is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return f"holds {self.text}"


def _raised(text: str) -> Exception:
    try:
        try:
            raise KeyError(text)
        except KeyError as cause:
            raise ValueError(f"because of {text}") from cause
    except ValueError as error:
        return error


def _in_exception(text: str) -> None:
    logger.opt(exception=_raised(text)).error("failed")


def _in_library_exception(text: str) -> None:
    logging.getLogger("httpx").error("failed", exc_info=_raised(text))


PLACES: list[Callable[[str], None]] = [
    lambda text: logger.info(text.replace("{", "{{").replace("}", "}}")),
    lambda text: logger.info("with {} and {!r}", text, text),
    lambda text: logger.bind(job_id=text).info("bound"),
    lambda text: logger.bind(deep={"a": [{"b": text}]}).info("bound"),
    lambda text: logger.bind(**{text: 1}).info("bound as a name"),
    lambda text: logger.bind(held=Holder(text)).info("bound {}", Holder(text)),
    lambda text: logging.getLogger("httpx").warning("got %s, %r", text, {"k": text}),
    # In two halves that meet only in the line.
    lambda text: logging.getLogger("any").error("%s%s", text[:5], text[5:]),
    lambda text: logging.getLogger("any").error("%d %s", text),
]
WITH_TRACE = [_in_exception, _in_library_exception]


def _seen(secret: str) -> list[str]:
    """Forms in which it would be of use to somebody; the middle of its base64 for any beginning."""
    forms: list[Any] = [spelled(secret) for spelled in SPELLINGS.values()]
    middles = [
        b64encode(b" " * before + secret.encode()).decode()[4:-4]
        for before in range(3)
        if len(secret) > 9
    ]
    return [*forms, *middles, quote(secret), quote_plus(secret)]


@pytest.mark.parametrize("form", ["pretty", "json"])
def test_no_part_of_a_secret_is_left_where_a_line_was_cut(form: str) -> None:
    with worker_log(LOG_FORMAT=form, **KEYS) as stream:
        for secret in (one for one in SECRETS if "/" not in one):
            for left in range(4, len(secret)):
                logger.info("{}{}", "-" * (16 * 1024 - left), secret)
    lines = stream.getvalue().splitlines()
    assert len(lines) > 100
    assert [line[-60:] for line in lines if "--***… (" not in line] == []


@pytest.mark.parametrize("form", ["pretty", "json"])
@pytest.mark.parametrize("before", ["said:\n", "said:\t", "token%3D", "token\\u003d"])
def test_no_foreign_token_leaks(form: str, before: str) -> None:
    token = f"{'eyJ'.ljust(30, 'x')}.{'eyJ'.ljust(30, 'y')}.{'z' * 40}"
    with worker_log(LOG_FORMAT=form) as stream:
        logger.info("the database {}{}\n", before, token)
    assert "***" in stream.getvalue()
    assert "zzz" not in stream.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["pretty", "json"])
def test_no_secret_leaks(form: str) -> None:
    redis = {"REDIS_URL": "rediss://default:re%2Fdis%2Bpass@db.example:6379"}
    spellings = [*SPELLINGS.values(), lambda text: b64encode(f"u:{text}".encode()).decode()]
    with worker_log(LOG_FORMAT=form, LOG_LEVEL="trace", **KEYS, **redis) as stream:
        for places, count in ((PLACES, LINES), (WITH_TRACE, TRACES)):
            cases = itertools.cycle(itertools.product(places, spellings, SECRETS))
            for log, spelled, secret in itertools.islice(cases, count):
                log(spelled(secret))
    text = stream.getvalue()
    assert text.count("\n") >= LINES + TRACES
    # A pretty line does not show what is bound.
    assert text.count("***") > (LINES + TRACES) / 2
    assert [one for secret in SECRETS for one in _seen(secret) if one in text] == []
