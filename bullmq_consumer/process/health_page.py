"""A page for probes: `/livez` and `/readyz` as JSON, 200 or 503."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from bullmq_consumer.worker import Health

# A probe sends some hundred bytes at once.
_REQUEST_S = 5.0
_MAX_HEAD = 16 * 1024

Healths = Callable[[], Sequence[tuple[str, Health]]]
"""The health of each worker, by its queue."""


@asynccontextmanager
async def health_page(healths: Healths, host: str, port: int | None) -> AsyncGenerator[None]:
    """Serve during the block, if there is a port. Raises CannotListen when it cannot be had."""
    if port is None:
        yield
        return
    page = _Page(healths)
    try:
        server = await asyncio.start_server(page.answer, host, port, limit=_MAX_HEAD)
    except OSError as error:
        raise CannotListen(f"The health page cannot listen on {host}:{port}: {error}") from error
    try:
        yield
    finally:
        server.close()
        page.hang_up()  # who is silent would hold up the end


class CannotListen(Exception):
    """The page has no port; the message says why."""


class _Page:
    def __init__(self, healths: Healths) -> None:
        self._healths = healths
        self._open: set[asyncio.StreamWriter] = set()

    def hang_up(self) -> None:
        """Close the connections that are open."""
        for writer in self._open:
            writer.transport.abort()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection; one that is not read in time is not answered."""
        self._open.add(writer)
        try:
            async with asyncio.timeout(_REQUEST_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._response(head))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who asked has gone, or asks for nothing
        finally:
            self._open.discard(writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _response(self, head: bytes) -> bytes:
        method, _, rest = head.decode("latin-1").partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _http(405, {"error": "GET only"})
        healths = self._healths()
        match path:
            case "/livez":
                is_well = all(one.live for _, one in healths)
            case "/readyz":
                is_well = all(one.ready for _, one in healths)
            case _:
                return _http(404, {"pages": ["/livez", "/readyz"]})
        shown = [_shown(queue, one) for queue, one in healths]
        return _http(200 if is_well else 503, {"workers": shown})


def _shown(queue: str, health: Health) -> dict[str, Any]:
    return {
        "queue": queue,
        "live": health.live,
        "ready": health.ready,
        "running": health.running,
        "lastFetch": health.last_fetch.isoformat() if health.last_fetch else None,
        "whyNot": health.why_not,
    }


_REASONS = {
    200: "OK",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


def _http(status: int, body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content
