"""Metrics of a service's HTTP client: requests, their results and the bytes of bodies."""

import time
from collections.abc import AsyncIterator

import httpx

from core.meter import Direction, meter


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
        began, outcome = time.monotonic(), "cancelled"
        try:
            response = await self._transport.handle_async_request(request)
            outcome = _of_status(response.status_code)
        except httpx.HTTPError as error:
            outcome = "timeout" if isinstance(error, httpx.TimeoutException) else "connection"
            raise
        finally:
            meter().http_request(self._service, request.method, outcome, time.monotonic() - began)
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Metered(self._service, "received", response.stream)
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


def _of_status(status: int) -> str:
    """The status class, except for 429, which is counted on its own."""
    return "429" if status == httpx.codes.TOO_MANY_REQUESTS.value else f"{status // 100}xx"
