"""A TCP gate on loopback in front of a server: while it is shut, nobody gets through."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from sandbox.processes import LOOPBACK


class Gate:
    """Forwards to the server at `target`; `url` is its own address."""

    def __init__(self, target: str) -> None:
        self._port = urlsplit(target).port
        self._is_shut = False
        self._open: set[asyncio.StreamWriter] = set()
        self.url = ""

    def shut(self) -> None:
        """Break all connections, and each new one."""
        self._is_shut = True
        for writer in self._open:
            writer.close()

    def open(self) -> None:
        """Let everybody through again."""
        self._is_shut = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self._is_shut:
            writer.close()
            return
        there, back = await asyncio.open_connection(LOOPBACK, self._port)
        self._open |= {writer, back}
        with suppress(OSError):
            await asyncio.gather(_forward(reader, back), _forward(there, writer))
        self._open -= {writer, back}


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def gate_to(target: str) -> AsyncIterator[Gate]:
    """A gate that is open."""
    gate = Gate(target)
    async with await asyncio.start_server(gate.serve, LOOPBACK, 0) as server:
        gate.url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        yield gate
        gate.shut()
