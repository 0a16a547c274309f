import asyncio
import time

import pytest

from bench.distant import distant
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
