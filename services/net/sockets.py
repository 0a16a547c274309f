"""Connections for httpcore on asyncio's own transports, for bodies of hundreds of megabytes.

httpcore's own use anyio, which passes TLS records on one by one: 16 KiB for 130 µs of CPU. asyncio
decrypts all that has arrived at once, here straight into the buffer that is read from.
"""

import asyncio
import ssl
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

import httpcore

# How much may be buffered unread. asyncio's TLS buffers up to 512 KiB more; when the peer closes,
# it delivers as much of that as fits here, and drops the rest.
_BUFFER_BYTES = 1024 * 1024
# How much is read at a time: less after a piece that took longer than this to parse.
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
                _, wire = await asyncio.get_running_loop().create_connection(
                    _Wire, host, port, local_addr=local
                )
            for option in socket_options or ():
                wire.transport.get_extra_info("socket").setsockopt(*option)
        return _Stream(wire)

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """Not offered."""
        raise httpcore.UnsupportedProtocol("only TCP is connected to")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class _Wire(asyncio.BufferedProtocol):
    """The unread bytes of a connection, and whether more may be sent. For a single reader."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._begin = self._end = 0
        self._ended = False
        self._broken: Exception | None = None
        self._changed = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()

    @property
    def has_unread(self) -> bool:
        """Bytes, or the end."""
        return self._begin < self._end or self._ended

    async def read(self, most_bytes: int) -> bytes:
        """What has arrived, at least a byte; empty at the end. Raises OSError."""
        while not self.has_unread:
            self._changed.clear()
            await self._changed.wait()
        if self._begin == self._end and self._broken is not None:
            raise self._broken
        piece = bytes(self._buffer[self._begin : min(self._begin + most_bytes, self._end)])
        self._begin += len(piece)
        if self._begin == self._end:
            self._begin = self._end = 0
            self.transport.resume_reading()
        return piece

    async def write(self, buffer: bytes) -> None:
        """Write all of it; returns when little of it is still unsent. Raises OSError."""
        self.transport.write(buffer)
        await self._may_write.wait()
        if self.transport.is_closing():
            raise self._broken or ConnectionResetError("the other side has left")

    async def start_tls(self, context: ssl.SSLContext, name: str | None) -> None:
        """Encrypt from here on. Raises OSError, also for what came in the clear."""
        if self.has_unread:
            raise ConnectionResetError("the other side spoke, or left, before TLS")
        loop = asyncio.get_running_loop()
        encrypted = await loop.start_tls(self.transport, self, context, server_hostname=name)
        assert encrypted is not None  # it is, unless the transport was closed by ourselves
        self.transport = encrypted

    def abort(self) -> None:
        """Close at once. asyncio's TLS keeps this object alive, so its buffer is freed here."""
        self.transport.abort()
        self._buffer = memoryview(b"")
        self._begin = self._end = 0
        self._ended = True

    # -- callbacks of the transport ---------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        self._end += nbytes
        if self._end == _BUFFER_BYTES:
            self.transport.pause_reading()
        self._changed.set()

    def eof_received(self) -> None:
        self._ended = True
        self._changed.set()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended:  # else all has arrived, whatever went wrong at the close
            self._broken = exc
        self._ended = True
        self._changed.set()
        self._may_write.set()


class _Stream(httpcore.AsyncNetworkStream):
    """One connection. Raises httpcore's errors."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire
        self._most_bytes = _SMALL_BYTES
        self._read_at = 0.0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has arrived, at least a byte; empty at the end.

        Other tasks get their turn between two reads. A body that is slow to parse, such as one
        in chunks of a byte, is read in small pieces; any other in larger ones than the 64 KiB of
        `max_bytes`, which httpcore accepts: each piece costs a pass through all its layers.
        """
        loop = asyncio.get_running_loop()
        is_slow = loop.time() - self._read_at > _SLOW_S
        with _as_httpcore(httpcore.ReadTimeout, httpcore.ReadError):
            async with asyncio.timeout(timeout):
                await asyncio.sleep(0)
                grown = self._most_bytes // 2 if is_slow else self._most_bytes * 2
                self._most_bytes = min(max(grown, _SMALL_BYTES), _LARGE_BYTES)
                piece = await self._wire.read(self._most_bytes)
        self._read_at = loop.time()
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it; returns when little of it is still unsent."""
        with _as_httpcore(httpcore.WriteTimeout, httpcore.WriteError):
            async with asyncio.timeout(timeout):
                await self._wire.write(buffer)

    async def aclose(self) -> None:
        """Close at once, without waiting for the peer's TLS close."""
        self._wire.abort()

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
                    await self._wire.start_tls(ssl_context, server_hostname)
            except BaseException:
                await self.aclose()
                raise
        return self

    def get_extra_info(self, info: str) -> Any:
        """For httpcore; `is_readable` of an idle connection: it cannot be reused."""
        match info:
            case "is_readable":
                return self._wire.has_unread
            case "client_addr":
                return self._wire.transport.get_extra_info("sockname")
            case "server_addr":
                return self._wire.transport.get_extra_info("peername")
            case _:
                return self._wire.transport.get_extra_info(info)


@contextmanager
def _as_httpcore(late: type[Exception], broken: type[Exception]) -> Generator[None]:
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except (OSError, ValueError) as error:  # ValueError: a host name that TLS does not accept
        raise broken(str(error)) from error
