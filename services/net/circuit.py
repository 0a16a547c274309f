"""Circuit breaker: separates a provider's outage from the failure of a single request.

    closed ── 4 failures in a row, of more than one job ──> open ── after a pause ──> half open
       ^                                                     ^                          │ one call
       └────────────────────── it succeeds ──────────────────┼──────────────────────────┤
                                                             └────── it fails ──────────┘

While it is open no call is made: jobs are handed back for that long, no attempt burnt, as often as
bullmq_consumer/outcome.py allows. A service whose return must be noticed soon is called earlier
than that, by whichever job comes first.
"""

import random
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta

from loguru import logger

from bullmq_consumer.safety import fence
from core.errors import ProviderDown, ServiceError, UnrecoverableError

# Failures of one job alone may be its own fault; its attempts and backoff handle those.
_FAILURES = 4
_JOBS = 2
_FIRST_PAUSE_S = 15.0
_MAX_PAUSE_S = 300.0
# Jitter, so that the jobs do not all return at once.
_SPREAD_S = 5.0
_BAD_REQUEST = 400


class Circuit:
    """The state of one provider as this worker sees it. `now` in seconds, for tests.

    A call may probe the provider after `probe_within_s` at the latest, however long the jobs wait.
    """

    def __init__(
        self,
        service: str,
        now: Callable[[], float] = time.monotonic,
        *,
        probe_within_s: float = _MAX_PAUSE_S,
    ) -> None:
        self._service = service
        self._now = now
        self._probe_within_s = probe_within_s
        self._failures = 0
        self._jobs: set[str | None] = set()
        self._pause_s = 0.0
        self._opens_until = 0.0
        self._waits_until = 0.0
        self._is_probed = False

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, except for a probe."""
        return self._pause_s > 0

    @contextmanager
    def call(self) -> Generator[None]:
        """Wraps one call with all its retries. Raises ProviderDown instead of calling when open."""
        probes = self._admit()
        try:
            yield
        except ServiceError as error:
            self._failed(error) if _indicates_outage(error) else self._succeeded()
            if probes and self.is_open and not error.billed:
                # It probed on behalf of all jobs: that must not cost its own job an attempt.
                raise ProviderDown(self._service, self._delay(self._pause_s)) from error
            raise
        except UnrecoverableError:  # a refusal is an answer
            self._succeeded()
            raise
        else:
            self._succeeded()
        finally:
            self._is_probed = self._is_probed and not probes

    def _admit(self) -> bool:
        """Whether this call is the probe of an open circuit. Raises ProviderDown."""
        if not self.is_open:
            return False
        now = self._now()
        if now < self._opens_until or self._is_probed:
            # A probe may take as long as a provider hangs: minutes.
            wait_s = self._pause_s if self._is_probed else self._waits_until - now
            raise ProviderDown(self._service, self._delay(wait_s))
        self._is_probed = True
        return True

    @staticmethod
    def _delay(wait_s: float) -> timedelta:
        return timedelta(seconds=wait_s + random.uniform(0, _SPREAD_S))  # noqa: S311 (no secret)

    def _failed(self, error: ServiceError) -> None:
        self._failures += 1
        self._jobs.add(fence.current_job())
        if self.is_open or (self._failures >= _FAILURES and len(self._jobs) >= _JOBS):
            self._open(error)

    def _open(self, error: ServiceError) -> None:
        now = self._now()
        if now < self._opens_until:
            return  # a call that began before the circuit opened
        self._pause_s = min(max(_FIRST_PAUSE_S, 2 * self._pause_s), _MAX_PAUSE_S)
        self._waits_until = now + self._pause_s
        self._opens_until = now + min(self._pause_s, self._probe_within_s)
        logger.error(
            "{} is down, jobs that need it wait {:g} s: {}", self._service, self._pause_s, error
        )

    def _succeeded(self) -> None:
        if self.is_open:
            logger.info("{} is back", self._service)
        self._failures = 0
        self._jobs.clear()
        self._pause_s = 0.0


def _indicates_outage(error: ServiceError) -> bool:
    """Whether other requests would fail in the same way.

    A 400 concerns this request alone, even a transient one: that a reference could not be
    fetched does not mean an outage, and any user can name an unreachable address. What may have
    been billed is not repeated, but a provider that loses its answers is down for others, too.
    """
    return (error.retryable or error.billed) and error.status != _BAD_REQUEST
