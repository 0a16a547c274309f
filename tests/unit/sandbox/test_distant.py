import asyncio
import time

import pytest

from sandbox.distant import Line, distant
from sandbox.processes import LOOPBACK

ROUND_TRIP_S = 0.05


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()


async def test_an_answer_takes_a_round_trip_and_the_first_one_two() -> None:
    async with (
        await asyncio.start_server(_echo, LOOPBACK, 0) as near,
        distant(near.sockets[0].getsockname()[1], ROUND_TRIP_S) as port,
    ):
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b"first")
        assert await reader.readexactly(5) == b"first"
        connected = time.monotonic()
        assert connected - began >= 2 * ROUND_TRIP_S
        writer.write(b"second")
        assert await reader.readexactly(6) == b"second"
        assert time.monotonic() - connected >= ROUND_TRIP_S
        writer.close()


async def test_a_server_that_is_away_ends_the_connection() -> None:
    gone = await asyncio.start_server(_echo, LOOPBACK, 0)
    near = gone.sockets[0].getsockname()[1]
    gone.close()
    async with distant(near, ROUND_TRIP_S) as port:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        with pytest.raises(asyncio.IncompleteReadError):
            await reader.readexactly(1)
        writer.close()


async def _answer_s(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    began = time.monotonic()
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    return time.monotonic() - began


async def test_a_line_counts_its_connections_and_may_grow_longer() -> None:
    line = Line(0, connects_free=True)
    async with (
        await asyncio.start_server(_echo, LOOPBACK, 0) as near,
        distant(near.sockets[0].getsockname()[1], line) as port,
    ):
        ends = [await asyncio.open_connection(LOOPBACK, port) for _ in range(2)]
        for reader, writer in ends:
            await _answer_s(reader, writer)
        assert line.opened == 2
        line.round_trip_s = ROUND_TRIP_S
        for reader, writer in ends:
            assert await _answer_s(reader, writer) >= ROUND_TRIP_S
            writer.close()


async def test_a_cut_breaks_what_is_open_and_nothing_later() -> None:
    line = Line(0, connects_free=True)
    async with (
        await asyncio.start_server(_echo, LOOPBACK, 0) as near,
        distant(near.sockets[0].getsockname()[1], line) as port,
    ):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        await _answer_s(reader, writer)
        assert line.cut() == 1
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        writer.close()
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        await _answer_s(reader, writer)
        writer.close()
