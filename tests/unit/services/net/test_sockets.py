"""The connections of downloads, against real sockets."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpcore
import pytest
import trustme

from sandbox.processes import LOOPBACK
from services.net.sockets import AsyncioBackend
from tests.support.server import without_end

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[tuple[httpcore.AsyncConnectionPool, str]]:
    """A pool that downloads use, and the address of a server that does as `serve` does."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            return  # the client has left
        finally:
            writer.close()

    server = await asyncio.start_server(one, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpcore.AsyncConnectionPool(network_backend=AsyncioBackend()) as pool:
        yield pool, f"http://{LOOPBACK}:{port}/"


async def test_a_connection_with_an_answer_that_nobody_asked_for_is_not_used_again() -> None:
    """As balancers say that they are about to close an idle one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    async with served(serve) as (pool, url):
        for _ in range(3):
            assert (await pool.request("GET", url)).status == 200
            await asyncio.sleep(0.2)


async def test_a_body_in_chunks_of_a_byte_leaves_the_loop_to_others() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        await without_end(writer, b"1\r\nx\r\n" * 20_000)

    lags: list[float] = []

    async def watch() -> None:
        while True:
            began = time.thread_time()  # what the machine does meanwhile is no lag
            await asyncio.sleep(0.01)
            lags.append(time.thread_time() - began)

    async with served(serve) as (pool, url):
        watching = asyncio.create_task(watch())
        async with pool.stream("GET", url) as response:
            with suppress(TimeoutError):  # it has no end
                async with asyncio.timeout(1.5):
                    async for _ in response.aiter_stream():
                        pass
        watching.cancel()
    # Between single pieces; without them it was a second and a half.
    assert max(lags) < 0.5


async def test_a_large_body_arrives_whole() -> None:
    body = bytes(range(256)) * 40_000

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(body)
        await writer.drain()
        await reader.read()

    async with served(serve) as (pool, url):
        assert (await pool.request("GET", url)).content == body


@pytest.mark.parametrize("size_kib", [750, 850, 950, 1050, 1150, 1250])
async def test_what_came_before_the_end_of_a_connection_is_read_slowly_and_whole(
    ca: trustme.CA, size_kib: int
) -> None:
    """By TLS, without the goodbye that many hosts leave out: what waits is not given up with it."""
    body = bytes(range(256)) * (4 * size_kib)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trusting = ssl.create_default_context()
    ca.issue_cert(LOOPBACK).configure_cert(serving)
    ca.configure_trust(trusting)

    def serve(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        peer.settimeout(10)
        with serving.wrap_socket(peer, server_side=True) as encrypted:
            encrypted.recv(10_000)
            encrypted.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            encrypted.shutdown(socket.SHUT_WR)

    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(10)
        serving_it = asyncio.create_task(asyncio.to_thread(serve, listener))
        async with httpcore.AsyncConnectionPool(
            ssl_context=trusting, network_backend=AsyncioBackend()
        ) as pool:
            url = f"https://{LOOPBACK}:{listener.getsockname()[1]}/"
            async with pool.stream("GET", url) as response:
                got = bytearray()
                async for piece in response.aiter_stream():
                    got += piece
                    await asyncio.sleep(0.01)  # longer, and the pieces would be of 1 KiB
        await serving_it
    assert got == body


async def test_a_peer_that_says_nothing_is_left_in_time() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with served(serve) as (pool, url):
        with pytest.raises(httpcore.ReadTimeout):
            await pool.request("GET", url, extensions={"timeout": {"read": 0.2}})


async def test_nobody_listens() -> None:
    async with httpcore.AsyncConnectionPool(network_backend=AsyncioBackend()) as pool:
        with pytest.raises(httpcore.ConnectError):
            await pool.request("GET", f"http://{LOOPBACK}:9/")


async def test_what_is_said_before_tls_is_not_taken_for_what_is_said_by_it() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        await reader.read()

    async with served(serve) as (_, url):
        port = int(url.rstrip("/").rpartition(":")[2])
        stream = await AsyncioBackend().connect_tcp(LOOPBACK, port, timeout=5)
        await asyncio.sleep(0.1)
        with pytest.raises(httpcore.ConnectError, match="spoke, or left, before TLS"):
            await stream.start_tls(ssl.create_default_context(), LOOPBACK, timeout=5)
