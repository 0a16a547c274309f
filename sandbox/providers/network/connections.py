"""Access to the sockets below uvicorn, to cut them."""

import asyncio
import socket
import struct
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_Key = tuple[Any, Any]

# Linger on, for 0 s: closing then sends RST at once.
_RESET = struct.pack("ii", 1, 0)


class Connections:
    """The open connections of one server, found by the addresses in an ASGI scope."""

    def __init__(self) -> None:
        self._open: dict[_Key, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """The protocol class for `uvicorn.Config(http=…)`."""
        connections = self._open

        class Tracked(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:
                super().connection_made(transport)
                connections[self.client, self.server] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                connections.pop((self.client, self.server), None)
                super().connection_lost(exc)

        return Tracked

    def drop(self) -> None:
        """End all of them at once."""
        for transport in list(self._open.values()):
            transport.abort()

    def close(self, scope: Scope) -> None:
        """Send what is buffered, then close, whatever the answer promised."""
        if transport := self._of(scope):
            transport.close()

    def reset(self, scope: Scope) -> None:
        """Drop the connection with a reset."""
        if transport := self._of(scope):
            plain: socket.socket | None = transport.get_extra_info("socket")
            if plain is not None:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()

    def _of(self, scope: Scope) -> asyncio.Transport | None:
        return self._open.get((scope.get("client"), scope.get("server")))
