"""What makes the spans of a trace: the seam to OpenTelemetry, of which nothing is imported here."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

SpanKind = Literal["consumer", "producer", "client", "internal"]
Value = str | int | Sequence[str]


class Span(Protocol):
    """One step of a trace, while it lasts. None of its methods raises."""

    def set(self, attributes: Mapping[str, Value]) -> None:
        """Add attributes, or replace those of the same name."""
        ...

    def event(self, name: str, attributes: Mapping[str, Value]) -> None:
        """Note that something happened now."""
        ...

    def fail(self, reason: str = "") -> None:
        """Mark it as failed."""
        ...


class Tracer(Protocol):
    """Makes spans. It never raises by itself, and never waits for whoever collects them."""

    def span(
        self, name: str, kind: SpanKind, metadata: str | None = None
    ) -> AbstractContextManager[Span]:
        """A span that lasts as long as the context, in which tasks begin that belong to it.

        A consumer's continues the trace that `metadata` names, or begins one. All others are parts
        of the span that the running task is in. An exception that passes through marks it as
        failed. What nobody collects is `NO_SPAN`, as are those outside of any trace.
        """
        ...

    def metadata(self) -> str | None:
        """What names the running task's span to whoever takes a job later; None outside of any."""
        ...


class _NoSpan:
    """Nothing is kept of it."""

    def set(self, attributes: Mapping[str, Value]) -> None: ...

    def event(self, name: str, attributes: Mapping[str, Value]) -> None: ...

    def fail(self, reason: str = "") -> None: ...

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None: ...


class _Off:
    """Traces nothing."""

    def span(
        self, name: str, kind: SpanKind, metadata: str | None = None
    ) -> AbstractContextManager[Span]:
        return NO_SPAN

    def metadata(self) -> str | None:
        return None


NO_SPAN = _NoSpan()
NO_TRACER: Tracer = _Off()
