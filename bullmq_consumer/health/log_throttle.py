"""Logs an error that may occur many times a second, without a flood of lines."""

import logging
import re
import time
from collections.abc import Callable

from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError

from bullmq_consumer.sanitize.text import one_line

logger = logging.getLogger(__name__)

_EVERY_S = 60

# Redis's own error codes, which a script's error contains, and the advice for each.
_ADVICE = {
    "READONLY": "it is a read-only replica, the address must name the primary",
    "OOM": "its memory is full, raise maxmemory or remove old jobs",
    "MISCONF": "it cannot write to its disk, check its own log",
    "NOPERM": "its user lacks a right that BullMQ needs",
    "MASTERDOWN": "it is a replica that lost its primary",
    "NOREPLICAS": "it has fewer replicas than min-replicas-to-write",
    "CLUSTERDOWN": "its cluster is down",
}
_CODE = re.compile(rf"\b({'|'.join(_ADVICE)})\b")
# The client removes these codes from the message.
_CODE_OF_TYPE: dict[type[Exception], str] = {
    ReadOnlyError: "READONLY",
    OutOfMemoryError: "OOM",
    NoPermissionError: "NOPERM",
}


class LogThrottle:
    """Logs the first error of a kind at once, then one line a minute, then the recovery.

    Intermittent errors are not logged more often either. `subject` is what works again.
    """

    def __init__(
        self,
        headline: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        subject: str = "Redis",
    ) -> None:
        self._headline = headline
        self._subject = subject
        self._clock = clock
        self._logged_at: dict[str, float] = {}
        self._began = 0.0
        self._count = 0
        self._is_said = False

    def failure(self, error: Exception) -> None:
        """Count an error, and log it if it is new or a minute has passed."""
        now = self._clock()
        if self._count == 0:
            self._began = now
        self._count += 1
        code = _code(error)
        kind = code or type(error).__name__
        logged_at = self._logged_at.get(kind)
        if logged_at is not None and now - logged_at < _EVERY_S:
            return
        self._logged_at[kind] = now
        self._is_said = True
        advice = f" ({_ADVICE[code]})" if code else ""
        said = one_line(str(error)) or type(error).__name__
        times = f", {self._count} errors in {now - self._began:.0f} s" if logged_at else ""
        logger.warning("%s: %s%s%s", self._headline, said, advice, times)

    def recovered(self) -> None:
        """Report a success, which is logged if a failure was."""
        if not self._is_said:
            return
        seconds = self._clock() - self._began
        line = "%s works again after %s errors in %.0f s"
        logger.info(line, self._subject, self._count, seconds)
        self._count, self._is_said = 0, False


def _code(error: Exception) -> str | None:
    found = _CODE.search(str(error))
    return found[1] if found else _CODE_OF_TYPE.get(type(error))
