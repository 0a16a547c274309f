"""The connections of downloads, against real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpcore
import pytest

from sandbox.processes import LOOPBACK
from services.sockets import AsyncioBackend
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
            began = time.monotonic()
            await asyncio.sleep(0.01)
            lags.append(time.monotonic() - began)

    async with served(serve) as (pool, url):
        watching = asyncio.create_task(watch())
        async with pool.stream("GET", url) as response:
            with suppress(TimeoutError):  # it has no end
                async with asyncio.timeout(3):
                    async for _ in response.aiter_stream():
                        pass
        watching.cancel()
    # Between single pieces; without them it was seconds.
    assert max(lags) < 1


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
