import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme

from bench.distance import edge as module
from bench.distance.edge import edge
from sandbox.distant import serving
from sandbox.processes import LOOPBACK, PATIENCE_S


@asynccontextmanager
async def impatient() -> AsyncIterator[int]:
    """A server that answers one line of a connection and closes it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()

    async with serving(serve) as port:
        yield port


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
    writer.write(line)
    async with asyncio.timeout(PATIENCE_S):
        return await reader.readline()


async def test_a_connection_outlives_those_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RENEW_AFTER_S", 0)
    async with impatient() as near, edge(near, None, keeps_idle=True) as port:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        assert await answer(reader, writer, b"one\n") == b"one\n"
        assert await answer(reader, writer, b"two\n") == b"two\n"
        writer.close()


async def test_without_that_it_ends_with_it() -> None:
    async with impatient() as near, edge(near, None) as port:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        assert await answer(reader, writer, b"one\n") == b"one\n"
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
        writer.close()


async def test_it_ends_tls() -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(LOOPBACK).configure_cert(server)
    authority.configure_trust(client)
    async with impatient() as near, edge(near, server) as port:
        reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=client)
        assert await answer(reader, writer, b"one\n") == b"one\n"
        writer.close()
