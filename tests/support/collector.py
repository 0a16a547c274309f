"""An OpenTelemetry collector on this machine, by OTLP over HTTP: keeps the spans that it gets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.otel import importable
from tests.support.server import Server, response, running

PATH = "/v1/traces"


@dataclass(frozen=True)
class Seen:
    """One span as it was sent, with the attributes of whose it is."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    is_error: bool
    attributes: dict[str, Any]
    events: list[str]
    resource: dict[str, Any]


class Collector:
    """`server` may be told to answer otherwise than by taking all."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = server.url("")
        server.on(PATH, response(b"", content_type="application/x-protobuf"))

    @property
    def spans(self) -> list[Seen]:
        return [span for request in self.server.to(PATH) for span in _read(request.body)]


def _read(body: bytes) -> list[Seen]:
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    return [
        _seen(span, _attributes(whose.resource.attributes))
        for whose in trace_service_pb2.ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in whose.scope_spans
        for span in scope.spans
    ]


def _seen(span: Any, resource: dict[str, Any]) -> Seen:
    return Seen(
        name=span.name,
        kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        is_error=span.status.code == span.status.STATUS_CODE_ERROR,
        attributes=_attributes(span.attributes),
        events=[event.name for event in span.events],
        resource=resource,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    with importable():
        async with running(Server()) as server:
            yield Collector(server)
