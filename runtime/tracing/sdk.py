"""OpenTelemetry's SDK behind the consumer's `Tracer`. It is not installed for the process.

Libraries would find it there, and some would write prompts and queries into spans of their own.
"""

import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from bullmq_consumer.telemetry.tracer import NO_SPAN, Span, Value
from bullmq_consumer.telemetry.tracer import SpanKind as Kind
from config.logging.redaction import Redact, scrubber
from config.settings import Settings
from config.tracing import traces_headers
from config.version import VERSION
from core.alert import shown
from runtime.tracing.exporter import new_exporter

if TYPE_CHECKING:
    from loguru import Record

_SERVICE = "vidfab-worker"
_KINDS = {
    "consumer": SpanKind.CONSUMER,
    "producer": SpanKind.PRODUCER,
    "client": SpanKind.CLIENT,
    "internal": SpanKind.INTERNAL,
}
# Names and ids come from jobs, and may be anything.
_LONGEST_TEXT = 500
# Trace context and baggage have 512 and 8192 characters at most.
_LONGEST_METADATA = 16 * 1024
_CERTIFICATES = ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE")


def open_sdk(settings: Settings, address: str) -> "SdkTracer":
    """Spans of this worker to the collector at `address`. Its other variables the SDK reads itself.

    Raises ValueError or whatever else the SDK finds wrong with them.
    """
    has_own = any(os.environ.get(name) for name in _CERTIFICATES)
    ca_file = None if has_own or settings.ca_file is None else str(settings.ca_file)
    provider = TracerProvider(resource=_resource(settings), shutdown_on_exit=False)
    exporter = new_exporter(address, traces_headers(settings), ca_file)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return SdkTracer(provider, scrubber(settings.secrets()))


def _resource(settings: Settings) -> Resource:
    """Whose spans they are; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    ours = {
        "service.name": _SERVICE,
        "service.version": VERSION,
        "deployment.environment.name": settings.environment,
    }
    return Resource.create(ours).merge(OTELResourceDetector().detect())


class SdkTracer:
    """The `Tracer` of one worker. `scrub` takes secrets out of what is written into spans."""

    def __init__(self, provider: TracerProvider, scrub: Redact) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(_SERVICE, VERSION)
        self._scrub = scrub

    @contextmanager
    def span(self, name: str, kind: Kind, metadata: str | None = None) -> Generator[Span]:
        """As `Tracer.span`."""
        parent = _named_by(metadata) if kind == "consumer" else contexts.get_current()
        if kind != "consumer" and not _is_traced(parent):
            yield NO_SPAN
            return
        span = self._tracer.start_span(self._safe(name), parent, kind=_KINDS[kind])
        token = contexts.attach(trace.set_span_in_context(span, parent))
        try:
            yield _SdkSpan(span, self._safe) if span.is_recording() else NO_SPAN
        except BaseException as error:
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            contexts.detach(token)
            span.end()

    def metadata(self) -> str | None:
        """As `bullmq-otel` writes it: the carrier of the propagators, as JSON."""
        carrier: dict[str, str] = {}
        if _is_traced(contexts.get_current()):
            propagate.inject(carrier)
        return json.dumps(carrier, separators=(",", ":")) if carrier else None

    @staticmethod
    def mark(record: "Record") -> None:
        """Loguru's patcher: a line that is written within a recorded span gets its `trace_id`."""
        within = trace.get_current_span().get_span_context()
        if within.trace_flags.sampled:
            record["extra"]["trace_id"] = trace.format_trace_id(within.trace_id)

    def close(self) -> None:
        """Send what is left; takes as long as the collector does."""
        self._provider.shutdown()

    def _safe(self, text: str) -> str:
        """Without secrets, not too long, and with nothing that is no UTF-8."""
        text = text.encode(errors="replace").decode()
        return self._scrub(shown(text, _LONGEST_TEXT))


class _SdkSpan:
    def __init__(self, span: trace.Span, safe: Redact) -> None:
        self._span = span
        self._safe = safe

    def set(self, attributes: Mapping[str, Value]) -> None:
        self._span.set_attributes(self._all_safe(attributes))

    def event(self, name: str, attributes: Mapping[str, Value]) -> None:
        self._span.add_event(name, self._all_safe(attributes))

    def fail(self, reason: str = "") -> None:
        self._span.set_status(Status(StatusCode.ERROR, self._safe(reason) or None))

    def _all_safe(self, attributes: Mapping[str, Value]) -> dict[str, Value]:
        return {name: self._of(value) for name, value in attributes.items()}

    def _of(self, value: Value) -> Value:
        match value:
            case int():
                return value
            case str():
                return self._safe(value)
            case _:
                return [self._safe(one) for one in value]


def _is_traced(context: Context) -> bool:
    return trace.get_current_span(context).get_span_context().is_valid


def _named_by(metadata: str | None) -> Context:
    """The context that a producer wrote; an empty one for what is none: a trace begins then."""
    if metadata is None or len(metadata) > _LONGEST_METADATA:
        return Context()
    try:
        return propagate.extract(_texts(json.loads(metadata)), Context())
    except (ValueError, RecursionError):  # of the propagators, too, for what is no UTF-8
        return Context()


def _texts(found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    fields = cast("dict[str, Any]", found).items()
    return {name: value for name, value in fields if isinstance(value, str)}
