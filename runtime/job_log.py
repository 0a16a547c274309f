"""The log lines of a job's attempts, which operators grep for."""

import json
import time
from traceback import TracebackException
from typing import Any, cast

from loguru import logger

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.outcome import FailLater, Outcome, Requeue, Retry, is_expected
from core.alert import Alert, AlertSink, kind_of, shown
from core.errors import LockLost

# Payload fields that are logged: their key in the text line, and their name as a JSON field.
_DATA_KEYS = {
    "userId": "user_id",
    "projectId": "project_id",
    "videoId": "video_id",
    "shotNumber": "shot_number",
}
_THINGS = ("project_id", "video_id", "shot_number")
_as_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


def job_failed(delivery: Delivery, reason: str, error: Exception) -> Alert:
    """The alert for a job that failed for good; with a traceback for unexpected errors."""
    named = _named(delivery.data)
    about = {name: shown(str(value), 200) for name, value in _about(delivery, named).items()}
    things = [f"{key.removesuffix('_id')} {about[key]}" for key in _THINGS if key in about]
    where = ", ".join([*things, f"attempt {about['attempt']} of {delivery.attempts}"])
    return Alert(
        kind=kind_of(delivery.name, reason),
        text=shown(f"❌ Failed: {about['job_name']} {about['job_id']} ({where}): {reason}"),
        level="error",
        about=about,
        trace=None if is_expected(error) else TracebackException.from_exception(error),
    )


class JobLogger:
    """Logs one attempt at one job, from start to end.

    The JSON lines of its `log` carry the job, the attempt and the ids in the payload.
    """

    def __init__(self, delivery: Delivery, notify: AlertSink) -> None:
        self._name = delivery.name
        self._delivery = delivery
        self._notify = notify
        self._began = time.monotonic()
        named, attempt = _named(delivery.data), delivery.attempts_made + 1
        self._about = {"jobId": delivery.job_id, "attempt": attempt, **named}
        self.log = logger.bind(**_about(delivery, named))

    def elapsed_ms(self) -> int:
        """Milliseconds since the attempt started."""
        return round((time.monotonic() - self._began) * 1000)

    def started(self) -> None:
        """Log the attempt's start."""
        self._log("INFO", "🔥 Processing job: {} {}", self._about)

    def completed(self, envelope: dict[str, Any]) -> None:
        """Log the attempt's success."""
        self._log("INFO", "✅ Completed: {} {}", {**self._about, "duration": envelope["duration"]})

    def ended(self, outcome: Outcome, error: Exception) -> None:
        """Log another outcome of the attempt, and alert on failure; `error` is its cause."""
        if isinstance(outcome, Requeue | FailLater):
            return  # the consumer logs it once it is done
        about = {**self._about, "duration": self.elapsed_ms(), "error": outcome.reason}
        if isinstance(outcome, Retry):
            self._log("WARNING", "🔁 Will retry: {} {}", about, error)
        else:
            self._log("ERROR", "❌ Failed: {} {}", about, error)
            if not isinstance(error, LockLost):  # then it is another worker's, and may succeed
                self._notify(job_failed(self._delivery, outcome.reason, error))

    def _log(
        self, level: str, line: str, about: dict[str, Any], error: Exception | None = None
    ) -> None:
        """Write one line; with a traceback for unexpected errors."""
        log = self.log
        if error is not None and not is_expected(error):
            log = log.opt(exception=error)
        bound = {"duration_ms": about["duration"]} if "duration" in about else {}
        log.log(level, line, self._name, _Json(about), **bound)


class _Json:
    """Fields of a line, formatted only if the line is written."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def __str__(self) -> str:
        return _as_json(self._fields)


def _named(data: Any) -> dict[str, Any]:
    """The ids in an unvalidated payload: short strings and numbers only."""
    if not isinstance(data, dict):
        return {}
    fields = cast("dict[str, Any]", data)
    found = {key: fields[key] for key in _DATA_KEYS if key in fields}
    return {key: value for key, value in found.items() if _is_short(value)}


def _about(delivery: Delivery, named: dict[str, Any]) -> dict[str, int | str]:
    things = {_DATA_KEYS[key]: value for key, value in named.items()}
    attempt = delivery.attempts_made + 1
    return {"job_id": delivery.job_id, "job_name": delivery.name, "attempt": attempt, **things}


def _is_short(value: Any) -> bool:
    return isinstance(value, int | str) and len(str(value)) <= 128
