"""Spans of what a job asks services for. None are made until somebody installs a tracer.

The port lies here so that services can make them without knowing what for.
"""

from bullmq_consumer.telemetry.tracer import NO_TRACER, Tracer

_installed: Tracer = NO_TRACER


def install(tracer: Tracer) -> None:
    """Make spans with `tracer` from now on."""
    global _installed
    _installed = tracer


def tracer() -> Tracer:
    """The tracer in use."""
    return _installed
