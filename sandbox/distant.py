"""A server that is far away: a TCP proxy on loopback through which all takes its time."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field

from sandbox.processes import LOOPBACK

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Line:
    """What lies between a client and the server: the distance, which may change at any time.

    What is sent arrives half of `round_trip_s` later, in both directions, and a new connection
    carries nothing before one whole, TCP's handshake, unless `connects_free`. `opened` counts the
    connections so far. `trace` has from when to when each piece was under way, in seconds since
    the epoch, by the distance and not by when the machine came to it.
    """

    round_trip_s: float
    connects_free: bool = False
    opened: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    def cut(self) -> int:
        """Break the connections that are open, with what is under way; returns how many."""
        cut = list(self._open)
        for writer in cut:
            writer.transport.abort()
        return len(cut)

    @contextmanager
    def carrying(self, *ends: asyncio.StreamWriter) -> Generator[None]:
        """During the block, `cut` breaks these."""
        self._open |= {*ends}
        try:
            yield
        finally:
            self._open -= {*ends}

    trace: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])


@asynccontextmanager
async def distant(port: int, line: Line | float) -> AsyncGenerator[int]:
    """The port under which the server at `port` is that far away; a number is the round trip."""
    way = line if isinstance(line, Line) else Line(line)

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way.opened += 1
        if not way.connects_free:
            await asyncio.sleep(way.round_trip_s)
        try:
            there, back = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            return  # its being closed says so
        with way.carrying(writer):
            await asyncio.gather(_carry(reader, back, way), _carry(there, writer, way))

    async with serving(join) as here:
        yield here


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """The port of a server on loopback; it ends its connections when it ends."""
    lines: set[asyncio.Task[None]] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await serve(reader, writer)

    def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(served(reader, writer))
        lines.add(line)
        line.add_done_callback(lines.discard)

    server = await asyncio.start_server(opened, LOOPBACK, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        left = list(lines)
        for line in left:
            line.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, line: Line) -> None:
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
            half_s, now = line.round_trip_s / 2, time.time()
            line.trace.append((now, now + half_s))
            under_way.put_nowait((loop.time() + half_s, data))

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
