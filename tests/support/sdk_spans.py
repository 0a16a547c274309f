"""The tracer on OpenTelemetry's SDK, and what it made. Imported while `otel.importable` lasts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from config.logging.redaction import scrubber
from runtime.tracing.sdk import SdkTracer


@dataclass(frozen=True)
class Made:
    trace: str
    id: str
    parent: str | None
    attributes: Mapping[str, Any]
    events: list[Mapping[str, Any]]
    status: tuple[str, str | None]


class Traced:
    """A tracer that redacts `key`, and what it made."""

    def __init__(self, key: str) -> None:
        self._kept = InMemorySpanExporter()
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.tracer = SdkTracer(self._provider, scrubber([key]))

    def spans(self) -> dict[str, Made]:
        return {span.name: _made(span) for span in self._kept.get_finished_spans()}

    def close(self) -> None:
        self._provider.shutdown()


def _made(span: ReadableSpan) -> Made:
    context = span.get_span_context()
    assert context is not None
    return Made(
        trace=f"{context.trace_id:032x}",
        id=f"{context.span_id:016x}",
        parent=f"{span.parent.span_id:016x}" if span.parent else None,
        attributes=span.attributes or {},
        events=[event.attributes or {} for event in span.events],
        status=(span.status.status_code.name, span.status.description),
    )


def is_installed_for_the_process() -> bool:
    """Libraries that make spans of their own would find it."""
    return isinstance(trace.get_tracer_provider(), TracerProvider)
