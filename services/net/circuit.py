"""Circuit breaker: separates a provider's outage from the failure of a single request.

    closed ── 4 failures in a row, of more than one job ──> open ── after a pause ──> half open
       ^                                                     ^                          │ one call
       └────────────────────── it succeeds ──────────────────┼──────────────────────────┤
                                                             └────── it fails ──────────┘

While it is open no call is made: jobs are handed back for that long, no attempt burnt, as often as
bullmq_consumer/outcome.py allows. A service whose return must be noticed soon is called earlier
than that, by whichever job comes first.

A single answer opens it that concerns every call: one about the account (its key, its credit, its
model), with one alert until it is right again, or a limit that outlived the call's tries, for as
long as the answer names, else for the vendor's window.
"""

import random
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta

from loguru import logger

from bullmq_consumer.safety import fence
from core.alert import Alert, AlertSink, Reminders, kind_of, no_alerts, shown
from core.errors import ProviderDown, ServiceError, UnrecoverableError

# Failures of one job alone may be its own fault; its attempts and backoff handle those.
_FAILURES = 4
_JOBS = 2
_FIRST_PAUSE_S = 15.0
_MAX_PAUSE_S = 300.0
# People wait for 12 minutes (core/deadline.py): for so long, jobs come back every minute.
_PEOPLE_WAIT_S = 720.0
_MAX_PAUSE_OF_PEOPLE_S = 60.0
# Jitter, so that the jobs do not all return at once.
_SPREAD_S = 5.0
# A limit of hours is asked about now and then: a person may raise it.
_LONGEST_LIMIT_S = 600.0
_BAD_REQUEST = 400

_DOWN = "is down"
_REFUSES = "refuses this account"
_LIMITED = "has reached its limit"
_LINE = "{} {}, jobs that need it wait {:g} s: {}"
_ACCOUNT_ADVICE = "Check its key, address, region and model, and that the account is paid"


class Circuit:
    """The state of one provider as this worker sees it. `now` in seconds, for tests.

    A call may probe the provider after `probe_within_s` at the latest, however long the jobs wait.
    `window` is over what time the vendor counts its limits: without one, an answer about a limit
    counts as any failure. `notify` receives the alert about a refused account, with `advice`.
    """

    def __init__(
        self,
        service: str,
        now: Callable[[], float] = time.monotonic,
        *,
        probe_within_s: float = _MAX_PAUSE_S,
        window: timedelta | None = None,
        notify: AlertSink = no_alerts,
        advice: str = _ACCOUNT_ADVICE,
    ) -> None:
        self._service = service
        self._now = now
        self._probe_within_s = probe_within_s
        self._window = window
        self._notify = notify
        self._advice = advice
        self._reminders = Reminders(now)
        self._last_pause_s = 0.0
        self._closed_at = 0.0
        self._began_at = 0.0
        self._trouble = _DOWN
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
            if not error.billed and self._closes_to_all(error):
                raise self._down(self._waits_until - self._now()) from error
            self._failed(error) if _indicates_outage(error) else self._succeeded()
            if probes and self.is_open and not error.billed:
                # It probed on behalf of all jobs: that must not cost its own job an attempt.
                raise self._down(self._pause_s) from error
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
        now = self._now()
        if self._trouble == _LIMITED and now >= self._opens_until:
            self._close()  # there is room again: nobody has to try for the others
        if not self.is_open:
            return False
        if now < self._opens_until or self._is_probed:
            # A probe may take as long as a provider hangs: minutes.
            wait_s = self._pause_s if self._is_probed else self._waits_until - now
            raise self._down(wait_s)
        self._is_probed = True
        return True

    def _down(self, wait_s: float) -> ProviderDown:
        spread_s = random.uniform(0, _SPREAD_S)  # noqa: S311 (no secret)
        return ProviderDown(self._service, timedelta(seconds=wait_s + spread_s), self._trouble)

    def _closes_to_all(self, error: ServiceError) -> bool:
        """Open it, if the answer concerns every call; returns whether it does."""
        match error.reach:
            case "account":
                self._refused(error)
            case "limit" if self._window is not None:
                self._limited(error, self._window)
            case _:
                return False
        return True

    def _refused(self, error: ServiceError) -> None:
        self._open(error, _REFUSES)
        what = error.code or str(error.status or error)  # not of which call
        kind = kind_of("account refused", self._service, what)
        if self._reminders.is_due(kind):
            text = f"🔑 {self._service} {_REFUSES}, jobs that need it wait: {error}. {self._advice}"
            self._notify(Alert(kind, shown(text), "error", {"service": self._service}))

    def _limited(self, error: ServiceError, window: timedelta) -> None:
        pause_s = (error.retry_after or window).total_seconds()
        if self._wait(min(max(pause_s, _FIRST_PAUSE_S), _LONGEST_LIMIT_S), _LIMITED):
            logger.warning(_LINE, self._service, _LIMITED, self._pause_s, error)

    def _failed(self, error: ServiceError) -> None:
        self._failures += 1
        self._jobs.add(fence.current_job())
        if self.is_open or (self._failures >= _FAILURES and len(self._jobs) >= _JOBS):
            self._open(error, _DOWN)

    def _open(self, error: ServiceError, trouble: str) -> None:
        """For longer each time, until calls go on succeeding."""
        pause_s = self._next_pause_s()
        if self._wait(pause_s, trouble):
            logger.error(_LINE, self._service, trouble, pause_s, error)

    def _next_pause_s(self) -> float:
        latest_s, now = self._latest_pause_s(), self._now()
        if not latest_s:
            self._began_at = now
        is_new = now - self._began_at < _PEOPLE_WAIT_S
        most_s = _MAX_PAUSE_OF_PEOPLE_S if is_new else _MAX_PAUSE_S
        return min(max(_FIRST_PAUSE_S, 2 * latest_s), most_s)

    def _latest_pause_s(self) -> float:
        """Also of a circuit that was closed a moment ago: a full database refuses writes alone."""
        if self.is_open or self._now() - self._closed_at >= self._last_pause_s:
            return self._pause_s
        return self._last_pause_s

    def _wait(self, pause_s: float, trouble: str) -> bool:
        """No calls for so long; False for a call that began before the circuit opened."""
        now = self._now()
        if now < self._opens_until:
            return False
        self._trouble = trouble
        self._pause_s = pause_s
        self._waits_until = now + pause_s
        self._opens_until = now + min(pause_s, self._probe_within_s)
        return True

    def _succeeded(self) -> None:
        if self._trouble == _LIMITED:
            return  # a call that began before
        if self.is_open:
            logger.info("{} is back", self._service)
            self._last_pause_s, self._closed_at = self._pause_s, self._now()
        self._close()

    def _close(self) -> None:
        self._failures = 0
        self._jobs.clear()
        self._pause_s = 0.0
        self._trouble = _DOWN


def _indicates_outage(error: ServiceError) -> bool:
    """Whether other requests would fail in the same way.

    A 400 concerns this request alone, even a transient one: that a reference could not be
    fetched does not mean an outage, and any user can name an unreachable address. What may have
    been billed is not repeated, but a provider that loses its answers is down for others, too.
    """
    return (error.retryable or error.billed) and error.status != _BAD_REQUEST
