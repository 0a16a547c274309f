"""Connections for httpcore on asyncio's own streams, for bodies of hundreds of megabytes.

httpcore's own go by way of anyio, which hands on TLS records one by one: 16 KiB for 130 µs of CPU.
asyncio decrypts what has arrived in one go.
"""

import asyncio
import ssl
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

import httpcore

# What may wait to be read is at most twice this.
_BUFFER_BYTES = 256 * 1024
# How much is read at a time: less after a piece that took longer than this to take apart.
_SMALL_BYTES, _LARGE_BYTES = 1024, 256 * 1024
_SLOW_S = 0.02


class AsyncioBackend(httpcore.AsyncNetworkBackend):
    """Connects by TCP; for no other loop than asyncio's."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises httpcore's ConnectError or ConnectTimeout."""
        with _as_httpcore(httpcore.ConnectTimeout, httpcore.ConnectError):
            async with asyncio.timeout(timeout):
                local = None if local_address is None else (local_address, 0)
                reader = _Reader(limit=_BUFFER_BYTES)
                protocol = asyncio.StreamReaderProtocol(reader)
                loop = asyncio.get_running_loop()
                transport, _ = await loop.create_connection(
                    lambda: protocol, host, port, local_addr=local
                )
                writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            for option in socket_options or ():
                writer.get_extra_info("socket").setsockopt(*option)
        return _Stream(reader, writer)

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """Not offered."""
        raise httpcore.UnsupportedProtocol("only TCP is connected to")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class _Reader(asyncio.StreamReader):
    @property
    def has_unread(self) -> bool:
        """Bytes that nobody has read yet, or the end."""
        return bool(self._buffer) or self.at_eof() or self.exception() is not None  # pyright: ignore


class _Stream(httpcore.AsyncNetworkStream):
    """One connection. Raises httpcore's errors."""

    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._most_bytes = _SMALL_BYTES
        self._read_at = 0.0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What is there, at least a byte; nothing at the end.

        Other tasks get their turn between two reads. A body that takes long to take apart, such as
        one in chunks of a byte, is read in small pieces; any other in larger ones than the 64 KiB
        of `max_bytes`, which httpcore takes as well: each costs a way through all its layers.
        """
        loop = asyncio.get_running_loop()
        is_slow = loop.time() - self._read_at > _SLOW_S
        with _as_httpcore(httpcore.ReadTimeout, httpcore.ReadError):
            async with asyncio.timeout(timeout):
                await asyncio.sleep(0)
                grown = self._most_bytes // 2 if is_slow else self._most_bytes * 2
                self._most_bytes = min(max(grown, _SMALL_BYTES), _LARGE_BYTES)
                piece = await self._reader.read(self._most_bytes)
        self._read_at = loop.time()
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of it, once little of it waits to be sent."""
        with _as_httpcore(httpcore.WriteTimeout, httpcore.WriteError):
            self._writer.write(buffer)
            async with asyncio.timeout(timeout):
                await self._writer.drain()

    async def aclose(self) -> None:
        """At once: a peer that does not say goodbye is not waited for."""
        self._writer.transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """The same connection, encrypted; the certificate is checked against the name."""
        with _as_httpcore(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                async with asyncio.timeout(timeout):
                    await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
            except BaseException:
                await self.aclose()
                raise
        return self

    def get_extra_info(self, info: str) -> Any:
        """As httpcore asks; `is_readable` of an idle connection: it cannot be used again."""
        match info:
            case "is_readable":
                return self._reader.has_unread
            case "client_addr":
                return self._writer.get_extra_info("sockname")
            case "server_addr":
                return self._writer.get_extra_info("peername")
            case _:
                return self._writer.get_extra_info(info)


@contextmanager
def _as_httpcore(late: type[Exception], broken: type[Exception]) -> Generator[None]:
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except (OSError, ValueError) as error:  # ValueError: a host name that TLS cannot be told
        raise broken(str(error)) from error
