"""What is said of a job while it runs: the log lines that people grep for."""

import json
import time
from typing import Any, cast

from loguru import logger

from runtime.outcome import FailLater, Outcome, Retry, Return, is_foreseen

_DATA_KEYS = ("userId", "projectId", "videoId", "shotNumber")


class Observation:
    """One attempt at one job, from start to end."""

    def __init__(self, job_id: str, name: str, data: Any, attempt: int) -> None:
        self._name = name
        self._began = time.monotonic()
        self._about = {"jobId": job_id, "attempt": attempt, **_named(data)}
        self._log = logger.bind(job_id=job_id, job_name=name, attempt=attempt, **_named(data))

    def elapsed_ms(self) -> int:
        """Milliseconds since the attempt was taken up."""
        return round((time.monotonic() - self._began) * 1000)

    def started(self) -> None:
        """The attempt begins."""
        self._say("INFO", "🔥 Processing job: {} {}", self._about)

    def completed(self, envelope: dict[str, Any]) -> None:
        """The attempt succeeded."""
        self._say("INFO", "✅ Completed: {} {}", {**self._about, "duration": envelope["duration"]})

    def ended(self, outcome: Outcome, error: Exception) -> None:
        """The attempt came to another end; `error` is what it came from."""
        if isinstance(outcome, Return | FailLater):
            return  # the consumer says so, once it has happened
        about = {**self._about, "duration": self.elapsed_ms(), "error": outcome.reason}
        if isinstance(outcome, Retry):
            self._say("WARNING", "🔁 Will retry: {} {}", about, error)
        else:
            self._say("ERROR", "❌ Failed: {} {}", about, error)

    def _say(
        self, level: str, line: str, about: dict[str, Any], error: Exception | None = None
    ) -> None:
        """Write one line; an error that nobody foresaw brings its traceback."""
        unforeseen = error if error is not None and not is_foreseen(error) else None
        log = self._log.bind(duration_ms=about["duration"]) if "duration" in about else self._log
        text = json.dumps(about, ensure_ascii=False, default=str)
        log.opt(exception=unforeseen).log(level, line, self._name, text)


def _named(data: Any) -> dict[str, Any]:
    """The ids in a payload that may be anything: short strings and numbers only."""
    if not isinstance(data, dict):
        return {}
    fields = cast("dict[str, Any]", data)
    found = ((key, fields.get(key)) for key in _DATA_KEYS)
    return {key: value for key, value in found if isinstance(value, int | str) and _short(value)}


def _short(value: int | str) -> bool:
    return len(str(value)) <= 128
