"""The edge of a hosted server: ends TLS, and keeps idle connections open when its server does not.

Supabase Lite closes a connection that was idle for 5 s; the edge of a hosted Supabase keeps it for
minutes.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sandbox.distant import serving
from sandbox.processes import LOOPBACK

# Of a server that closes after more than that, between two requests.
_RENEW_AFTER_S = 2.0


@asynccontextmanager
async def edge(
    port: int, tls: ssl.SSLContext | None, *, keeps_idle: bool = False
) -> AsyncGenerator[int]:
    """The port at which the server at `port` is reached, with `tls` by who speaks that.

    With `keeps_idle` the server must speak HTTP/1.1, one request at a time on a connection.
    """

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind: _Behind | None = None
        try:
            while data := await _read(reader):
                if behind is not None and keeps_idle and behind.is_idle:
                    await behind.close()
                    behind = None
                if behind is None:
                    behind = await _Behind.opened(port, writer, keeps_idle)
                await behind.send(data)
        except ConnectionError:
            return  # the client sees it by the end of its own
        finally:
            if behind is not None:
                await behind.close()

    async with serving(pass_on, tls) as here:
        yield here


class _Behind:
    """A connection to the server, whose answers go to `client`."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        *,
        keeps_idle: bool,
    ) -> None:
        self._reader, self._writer, self._client = reader, writer, client
        self._keeps_idle = keeps_idle
        # When the last piece of an answer came; None from a request to its answer.
        self._answered_at: float | None = None
        self._answering = asyncio.create_task(self._answer())

    @classmethod
    async def opened(cls, port: int, client: asyncio.StreamWriter, keeps_idle: bool) -> "_Behind":
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        return cls(reader, writer, client, keeps_idle=keeps_idle)

    @property
    def is_idle(self) -> bool:
        if self._answered_at is None:
            return False
        return asyncio.get_running_loop().time() - self._answered_at > _RENEW_AFTER_S

    async def send(self, data: bytes) -> None:
        self._answered_at = None
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()  # first: the wait may be cut short
        self._answering.cancel()
        await asyncio.gather(self._answering, return_exceptions=True)

    async def _answer(self) -> None:
        while data := await _read(self._reader):
            self._answered_at = asyncio.get_running_loop().time()
            try:
                self._client.write(data)
                await self._client.drain()
            except ConnectionError:
                return
        if not (self._keeps_idle and self._answered_at is not None):
            self._client.close()


async def _read(reader: asyncio.StreamReader) -> bytes:
    """Nothing at the end, however it came."""
    try:
        return await reader.read(65536)
    except ConnectionError:
        return b""
