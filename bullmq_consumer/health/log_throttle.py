"""Logs an error that may occur many times a second, without a flood of lines."""

import logging
import time
from collections.abc import Callable

from bullmq_consumer.redis.advice import advice_on, kind_of
from bullmq_consumer.sanitize.text import one_line

logger = logging.getLogger(__name__)

_EVERY_S = 60


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
        kind = kind_of(error) or type(error).__name__
        logged_at = self._logged_at.get(kind)
        if logged_at is not None and now - logged_at < _EVERY_S:
            return
        self._logged_at[kind] = now
        self._is_said = True
        advice = f" ({found})" if (found := advice_on(error)) else ""
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
