"""Spans to the collector, by the SDK's own exporter, in a thread of the SDK's own."""

import logging
from collections.abc import Mapping, Sequence

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bullmq_consumer.health.log_throttle import LogThrottle

# Says for each batch, and each of its tries, why the collector did not take it.
_EXPORTER = logging.getLogger(OTLPSpanExporter.__module__)
# Says so of each span that finds no place in the queue; that they are dropped is told here.
_QUEUE = logging.getLogger("opentelemetry.sdk._shared_internal")


class CollectorError(Exception):
    """It did not take a batch."""


class ThrottledExporter(SpanExporter):
    """Says once a minute at most that the collector does not take spans, and when it does again."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._said = _Said()
        self._errors = LogThrottle(
            "Traces do not reach the collector, and are dropped (see OTEL_EXPORTER_OTLP_ENDPOINT)",
            subject="The collector of traces",
        )
        _EXPORTER.addFilter(self._said)
        _QUEUE.setLevel(logging.ERROR)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; one that is not taken is dropped."""
        self._said.first = ""
        result = self._inner.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._errors.recovered()
        else:
            self._errors.failure(CollectorError(self._said.first))
        return result

    def shutdown(self) -> None:
        """End what is under way."""
        self._inner.shutdown()
        _EXPORTER.removeFilter(self._said)


class _Said(logging.Filter):
    """Keeps the first record since `first` was emptied, and lets none through."""

    first = ""

    def filter(self, record: logging.LogRecord) -> bool:
        self.first = self.first or record.getMessage()
        return False


def new_exporter(address: str, headers: Mapping[str, str], ca_file: str | None) -> SpanExporter:
    """As all requests of the worker: without proxies, logins of `.netrc`, or redirects."""
    session = requests.Session()
    session.trust_env = False
    return ThrottledExporter(
        OTLPSpanExporter(
            endpoint=address, headers=headers, certificate_file=ca_file, session=session
        )
    )
