"""uvicorn as a part of the worker. Imported only where the endpoints are on."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

# Who connects asks by then. Connections that are forgotten would use up the worker's descriptors.
SILENT_S = 10.0


class _Connection(H11Protocol):
    """Is closed when nothing is asked in time: uvicorn looks only at what comes later."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(SILENT_S, self._close_if_silent)

    def _close_if_silent(self) -> None:
        # There is none until a request has come, whatever its type says.
        if getattr(self, "cycle", None) is None:
            self.transport.abort()


class _Server(uvicorn.Server):
    """Leaves signals to the worker, and does not wake ten times a second to count requests."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def main_loop(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for server in self.servers:
                server.close()


async def serve(app: Starlette, listening: socket.socket) -> None:
    """Answer until cancelled."""
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
    )
    await _Server(config).serve([listening])
