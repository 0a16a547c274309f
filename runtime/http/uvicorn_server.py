"""uvicorn embedded in the worker. Imported only when the endpoints are enabled."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

# The time limit of a connection. Idle ones, and those kept open by dripping bytes, would use up the
# worker's descriptors.
CONNECTION_S = 10.0
# Probes, a scrape and a few people make about ten; the worker's jobs need descriptors, too.
MAX_CONNECTIONS = 64
# Requests hold a path and a token.
_MAX_HEAD_BYTES = 16 * 1024
# One request per connection: whatever else is sent, such as gigabytes of a body, is not read.
_HEADERS = [(b"connection", b"close")]


class _Connection(H11Protocol):
    """Closed when receiving its request and sending the response takes too long.

    When there are too many the oldest one is closed, so that a probe still gets a response.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._since = self.loop.time()
        self._end = self.loop.call_later(CONNECTION_S, transport.abort)
        if len(self.connections) > MAX_CONNECTIONS:
            self._close_oldest()

    def _close_oldest(self) -> None:
        """Skips those that are closing: they leave the list one turn of the loop later."""
        ours = [one for one in self.connections if isinstance(one, _Connection)]
        alive = [one for one in ours if not one.transport.is_closing()]
        if len(alive) > MAX_CONNECTIONS:
            min(alive, key=lambda one: one._since).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """Leaves signals to the worker, and does not wake ten times a second."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def main_loop(self) -> None:
        self.server_state.default_headers = _HEADERS
        try:
            await asyncio.Event().wait()
        finally:
            for server in self.servers:
                server.close()


async def serve(app: Starlette, listening: socket.socket) -> None:
    """Serve until cancelled."""
    config = uvicorn.Config(
        app,
        http=_Connection,
        ws="none",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
        backlog=MAX_CONNECTIONS,
    )
    await _Server(config).serve([listening])
