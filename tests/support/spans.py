"""A tracer that keeps its spans, for tests without OpenTelemetry."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from bullmq_consumer.telemetry.tracer import Span, SpanKind, Value


@dataclass
class KeptSpan:
    name: str
    kind: SpanKind
    parent: str | None
    attributes: dict[str, Value] = field(default_factory=dict[str, Value])
    events: list[tuple[str, Mapping[str, Value]]] = field(
        default_factory=list[tuple[str, Mapping[str, Value]]]
    )
    failed: str | None = None

    def set(self, attributes: Mapping[str, Value]) -> None:
        self.attributes |= attributes

    def event(self, name: str, attributes: Mapping[str, Value]) -> None:
        self.events.append((name, attributes))

    def fail(self, reason: str = "") -> None:
        self.failed = reason


class KeepingTracer:
    """For one task: `metadata` is the name of the innermost span."""

    def __init__(self) -> None:
        self.spans: list[KeptSpan] = []
        self._open: list[KeptSpan] = []

    @contextmanager
    def span(self, name: str, kind: SpanKind, metadata: str | None = None) -> Generator[Span]:
        span = KeptSpan(name, kind, metadata if kind == "consumer" else self.metadata())
        self.spans.append(span)
        self._open.append(span)
        try:
            yield span
        except BaseException as error:
            span.failed = type(error).__name__
            raise
        finally:
            self._open.pop()

    def metadata(self) -> str | None:
        return self._open[-1].name if self._open else None
