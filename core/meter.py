"""The worker's metrics. Nothing is counted until a meter is installed.

The interface is here so that services can count without depending on Prometheus.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, Protocol

from bullmq_consumer.health.attempts import AttemptMeter, End
from bullmq_consumer.telemetry.tracer import Span
from core.errors import ServiceError
from core.tracing import tracer

Direction = Literal["sent", "received"]
Result = Literal["delivered", "uncertain"]


class Meter(AttemptMeter, Protocol):
    """Counts events. Each call costs microseconds, and none raises."""

    def http_request(self, service: str, method: str, outcome: str, seconds: float) -> None:
        """An HTTP request to a service. `seconds` until the response's head, or the error."""
        ...

    def bytes_transferred(self, service: str, direction: Direction, size_bytes: int) -> None:
        """A part of a body was sent to a service, or received from it."""
        ...

    def purchase(self, service: str, kind: str, result: Result) -> None:
        """A provider delivered something that it bills, or may have."""
        ...

    def unknown_code(self, service: str) -> None:
        """A service gave an error code that no table of services/codes names."""
        ...

    def schedule_broke(self) -> None:
        """A repeatable job or job scheduler of the queue ended, since it cannot be read."""
        ...


class _Off:
    """Counts nothing."""

    def job_taken(self, name: str, waited_s: float | None) -> None: ...

    def job_ended(self, name: str, end: End, seconds: float) -> None: ...

    def http_request(self, service: str, method: str, outcome: str, seconds: float) -> None: ...

    def bytes_transferred(self, service: str, direction: Direction, size_bytes: int) -> None: ...

    def purchase(self, service: str, kind: str, result: Result) -> None: ...

    def unknown_code(self, service: str) -> None: ...

    def schedule_broke(self) -> None: ...


_installed: Meter = _Off()


def install(meter: Meter) -> None:
    """Count with `meter` from now on."""
    global _installed
    _installed = meter


def meter() -> Meter:
    """The meter in use."""
    return _installed


@contextmanager
def bill(service: str, kind: str) -> Generator[None]:
    """Wraps one purchase with all its tries, which end with the first that may be billed.

    It also makes a span, whose `vidfab.purchase.result` is `none` where nothing is billed.
    """
    about = {"peer.service": service, "vidfab.purchase.kind": kind}
    with tracer().span(f"purchase {kind}", "internal") as span:
        span.set({**about, "vidfab.purchase.result": "none"})
        try:
            yield
        except asyncio.CancelledError:
            _billed(span, service, kind, "uncertain")
            raise
        except ServiceError as error:
            if error.billed:
                _billed(span, service, kind, "uncertain")
            raise
        _billed(span, service, kind, "delivered")


def _billed(span: Span, service: str, kind: str, result: Result) -> None:
    span.set({"vidfab.purchase.result": result})
    _installed.purchase(service, kind, result)
