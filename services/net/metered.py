"""Metrics of a service's HTTP client: requests, their results and the bytes of bodies.

Each request of a job is also a span, by OpenTelemetry's conventions for HTTP clients. No request
carries its trace: vendors have no use for it, and would see which of them belong to one user.
"""

import time
from collections.abc import AsyncIterator

import httpx

from bullmq_consumer.telemetry.tracer import NO_SPAN, Value
from core.meter import Direction, meter
from core.tracing import tracer

_FIRST_ERROR = 400
_PORTS = {"https": 443, "http": 80}


class MeteredTransport(httpx.AsyncBaseTransport):
    """Wraps `transport`. Redirects and retries count as requests of their own."""

    def __init__(self, service: str, transport: httpx.AsyncBaseTransport) -> None:
        self._service = service
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Count one request until the response's head arrives, and both bodies as they are read."""
        # A redirect that keeps its body has the stream of the request before it.
        if isinstance(request.stream, httpx.AsyncByteStream) and not isinstance(
            request.stream, _Metered
        ):
            request.stream = _Metered(self._service, "sent", request.stream)
        response = await self._traced(request)
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Metered(self._service, "received", response.stream)
        return response

    async def _traced(self, request: httpx.Request) -> httpx.Response:
        with tracer().span(f"{request.method} {self._service}", "client") as span:
            if span is not NO_SPAN:
                span.set(_about(self._service, request))
            response = await self._counted(request)
            status = response.status_code
            span.set({"http.response.status_code": status})
            if status >= _FIRST_ERROR:
                span.set({"error.type": str(status)})
                span.fail()
            return response

    async def _counted(self, request: httpx.Request) -> httpx.Response:
        began, outcome = time.monotonic(), "cancelled"
        try:
            response = await self._transport.handle_async_request(request)
            outcome = _of_status(response.status_code)
        except httpx.HTTPError as error:
            outcome = "timeout" if isinstance(error, httpx.TimeoutException) else "connection"
            raise
        finally:
            meter().http_request(self._service, request.method, outcome, time.monotonic() - began)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


class _Metered(httpx.AsyncByteStream):
    def __init__(self, service: str, direction: Direction, stream: httpx.AsyncByteStream) -> None:
        self._service = service
        self._direction: Direction = direction
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            meter().bytes_transferred(self._service, self._direction, len(chunk))
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def _about(service: str, request: httpx.Request) -> dict[str, Value]:
    """Without login and query: signatures stand there, and the database's values."""
    url = request.url
    path, _, _ = url.raw_path.partition(b"?")
    return {
        "peer.service": service,
        "http.request.method": request.method,
        "server.address": url.host,
        "server.port": url.port or _PORTS.get(url.scheme, 0),
        "url.full": f"{url.scheme}://{url.netloc.decode()}{path.decode()}",
    }


def _of_status(status: int) -> str:
    """The status class, except for 429, which is counted on its own."""
    return "429" if status == httpx.codes.TOO_MANY_REQUESTS.value else f"{status // 100}xx"
