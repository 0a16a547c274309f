"""Log set-up: one line an event to stdout, pretty or flat JSON, secrets redacted by value."""

import json
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from loguru import logger

from config.settings import Settings

if TYPE_CHECKING:
    from loguru import Message, Record

_PRETTY = "{time:HH:mm:ss.SSS} <level>{level: <8}</level> {message}"
# Shorter values would redact ordinary words.
_MIN_SECRET = 6


def set_up_logs(settings: Settings, stream: TextIO = sys.stdout) -> None:
    """Send every log line to `stream` in the configured form."""
    redact = _redactor(settings.secrets())
    as_json = settings.log_format == "json"

    def write(message: "Message") -> None:
        text = _flat_json(message.record) + "\n" if as_json else str(message)
        stream.write(redact(text))
        stream.flush()

    logger.remove()
    logger.add(
        write,
        level=settings.log_level,
        format=_PRETTY,
        colorize=not as_json and stream.isatty(),
        backtrace=False,
        diagnose=False,  # it would print the values of variables
    )


def _redactor(secrets: Sequence[str]) -> Any:
    # Longest first: a secret may be part of another, as a password is of its URL.
    long_enough = {secret for secret in secrets if len(secret) >= _MIN_SECRET}
    forms = {form for secret in long_enough for form in (secret, json.dumps(secret)[1:-1])}
    ordered = sorted(forms, key=len, reverse=True)

    def redact(text: str) -> str:
        for secret in ordered:
            text = text.replace(secret, "***")
        return text

    return redact


def _flat_json(record: "Record") -> str:
    """One object: time (ISO), level, message, what was bound, and the exception if there is one."""
    line: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["message"],
        **record["extra"],
    }
    error = record["exception"]
    if error is not None:
        line["exception"] = "".join(_trace(error))
    return json.dumps(line, ensure_ascii=False, default=str)


def _trace(error: Any) -> list[str]:
    return traceback.format_exception(error.type, error.value, error.traceback)
