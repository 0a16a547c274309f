"""A server that is far away: a TCP proxy on loopback through which all takes its time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing

from sandbox.processes import LOOPBACK


@asynccontextmanager
async def distant(port: int, round_trip_s: float) -> AsyncGenerator[int]:
    """The port under which the server at `port` is `round_trip_s` away.

    What is sent arrives half of it later, in both directions, and a new connection carries nothing
    before one whole: TCP's handshake.
    """
    lines: set[asyncio.Task[None]] = set()

    def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(_join(reader, writer, port, round_trip_s))
        lines.add(line)
        line.add_done_callback(lines.discard)

    server = await asyncio.start_server(opened, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        left = list(lines)
        for line in left:
            line.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, round_trip_s: float
) -> None:
    with closing(writer):
        await asyncio.sleep(round_trip_s)
        try:
            there, back = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            return  # its being closed says so
        await asyncio.gather(
            _carry(reader, back, round_trip_s / 2), _carry(there, writer, round_trip_s / 2)
        )


async def _carry(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, delay_s: float
) -> None:
    """Until one side closes; the other hears of it as late as of all else."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def take() -> None:
        data = b"more"
        while data:
            try:
                data = await source.read(65536)
            except ConnectionError:
                data = b""
            under_way.put_nowait((loop.time() + delay_s, data))

    taking = asyncio.create_task(take())
    try:
        while True:
            due_at, data = await under_way.get()
            await asyncio.sleep(due_at - loop.time())
            if not data:
                return
            target.write(data)
            await target.drain()
    except ConnectionError:
        return  # the other direction ends with it
    finally:
        taking.cancel()
        target.close()
