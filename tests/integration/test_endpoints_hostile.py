"""Clients that ask too much, too slowly, or for what nobody may: the endpoints stay as they are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import psutil
import pytest

from bullmq_consumer.health.status import Phase, WorkerStatus
from core import meter
from runtime.http import uvicorn_server as http_server
from runtime.http.listening import served
from sandbox.processes import LOOPBACK, free_port
from tests.support.logs import settings_of

PATHS = ("/", "/livez", "/readyz", "/metrics", "/stats", "/jobs/1")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server whose Redis is away, as its only outside."""
    before, port = meter.meter(), free_port()
    settings = settings_of(HEALTH_PORT=str(port), REDIS_URL=f"redis://{LOOPBACK}:{free_port()}")
    async with served(settings, WorkerStatus(phase=Phase.RUNNING)):
        yield port
    meter.install(before)


async def is_alive(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://{LOOPBACK}:{port}/livez")).status_code == 200


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """What comes until the end, or until the connection breaks."""
    said = b""
    async with asyncio.timeout(10):
        with suppress(ConnectionError):
            while more := await reader.read(65536):
                said += more
    return said


async def test_nothing_can_be_changed(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}") as client:
        for path in PATHS:
            for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
                answer = await client.request(method, path, content=b"x")
                assert (answer.status_code, [*answer.json()]) == (405, ["error"]), (method, path)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 1_000_000,
        b"GET /livez HTTP/1.1\r\nx: " + b"a" * 1_000_000,
        b"GET /livez HTTP/1.1\r\n" + b"x: y\r\n" * 200_000,
        b"\x00" * 1_000_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
    ],
    ids=["line", "header", "headers", "zeros", "tls", "length"],
)
async def test_a_head_that_is_none_is_refused(port: int, head: bytes) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    with suppress(ConnectionError):
        writer.write(head)
        await asyncio.wait_for(writer.drain(), 5)
    said = await rest_of(reader)
    writer.close()
    assert said == b"" or said.startswith(b"HTTP/1.1 400 ")
    assert await is_alive(port)


async def test_a_body_is_not_read(port: int) -> None:
    _, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(b"GET /livez HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n")
    sent = 0
    with suppress(ConnectionError, TimeoutError):
        while sent < 100_000_000:
            writer.write(b"a" * 1_000_000)
            await asyncio.wait_for(writer.drain(), 1)
            sent += 1_000_000
    # What the kernel's buffers on both sides take.
    assert sent < 50_000_000
    writer.close()
    assert await is_alive(port)


async def test_whoever_asks_byte_by_byte_or_does_not_listen_is_cut_off(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "CONNECTION_S", 0.4)
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    trickled = 0
    async with asyncio.timeout(5):
        with suppress(ConnectionError):
            for byte in b"GET /livez HTTP/1.1\r\nx: " + b"a" * 1000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.02)
                trickled += 1
    assert trickled < 100
    assert await rest_of(reader) == b""
    writer.close()
    assert await is_alive(port)


async def test_one_connection_is_one_question(port: int) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n" * 1000)
    said = await rest_of(reader)
    writer.close()
    assert said.count(b"HTTP/1.1 200 OK") == 1
    assert b"connection: close" in said.lower()


async def test_connections_that_come_at_once_are_limited_too(port: int) -> None:
    most = http_server.MAX_CONNECTIONS
    opening = [asyncio.open_connection(LOOPBACK, port) for _ in range(5 * most)]
    found = await asyncio.gather(*opening, return_exceptions=True)
    opened = [one for one in found if not isinstance(one, BaseException)]
    assert len(opened) > most
    assert await is_alive(port)
    await asyncio.sleep(0.5)
    # Those of the server's side; a client may take one for open that never got that far.
    kept = [one for one in psutil.Process().net_connections("tcp") if one.laddr.port == port]
    assert sum(one.status == psutil.CONN_ESTABLISHED for one in kept) <= most
    for _, writer in opened:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in opened), return_exceptions=True)


async def test_many_connections_make_room_for_a_probe(port: int) -> None:
    most = http_server.MAX_CONNECTIONS
    opened = [await asyncio.open_connection(LOOPBACK, port) for _ in range(most + 20)]
    assert await is_alive(port)
    # The oldest ones were closed, the others are not.
    for reader, _ in opened[:20]:
        assert await rest_of(reader) == b""
    _, writer = opened[-1]
    writer.write(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
    assert (await opened[-1][0].readline()).startswith(b"HTTP/1.1 200 ")
    for _, writer in opened:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in opened), return_exceptions=True)
