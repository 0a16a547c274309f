"""What a Redis that is rented by a plan has and a Redis lacks: limits, as Upstash answers them."""

import asyncio
from collections.abc import Collection
from enum import StrEnum
from typing import Self

from sandbox.processes import LOOPBACK
from sandbox.redis import RedisServer

_PAGES = "https://upstash.com/docs/redis/troubleshooting"


class Limit(StrEnum):
    """A limit's answer: the words are those of upstash.com/docs/redis/troubleshooting.

    The numbers and the link behind them are as users quote them in public repositories.
    """

    MONTH = (
        "ERR max requests limit exceeded. Limit: 500000, Usage: 500000. "
        f"See {_PAGES}/max_requests_limit for details"
    )
    DAY = (
        "ERR max daily request limit exceeded. Limit: 10000, Usage: 10000. "
        f"See {_PAGES}/max_daily_request_limit for details"
    )
    CONNECTIONS = "ERR max concurrent connections exceeded"
    SIZE = (
        "ERR max request size exceeded. Limit: 10485760 bytes, Actual: 10733457 bytes. "
        f"See {_PAGES}/max_request_size_exceeded for details"
    )


# What opens a connection, and what users saw answered on a plan that was used up: a worker starts,
# and then cannot run a script. Others saw PING refused, too.
OPENING = frozenset({b"AUTH", b"HELLO", b"CLIENT", b"SELECT"})
HARMLESS = OPENING | {b"PING", b"INFO"}


class LimitedRedis:
    """A front to `redis`. While `limit` is set, it is the answer to all commands but `exempt` ones.

    With `largest_bytes` only to requests that are larger.
    """

    def __init__(self, redis: RedisServer) -> None:
        self.limit: Limit | None = None
        self.exempt: Collection[bytes] = HARMLESS
        self.largest_bytes = 0
        self._redis = redis
        self._port = 0
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self._port}/0"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(LOOPBACK, self._redis.port)
        for work in (self._ask(reader, back), _relay(there, writer)):
            task = asyncio.create_task(work)
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _ask(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            while True:
                back.write(self._passed(await _parts(reader)))
                await back.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # closed by its client
        finally:
            back.close()

    def _passed(self, parts: list[bytes]) -> bytes:
        """The request for Redis, which itself answers with the limit: in the order of requests."""
        size = sum(map(len, parts))
        if self.limit is None or parts[0].upper() in self.exempt or size <= self.largest_bytes:
            return _packed(*parts)
        return _packed(b"EVAL", b"return redis.error_reply(ARGV[1])", b"0", self.limit.encode())


async def _parts(reader: asyncio.StreamReader) -> list[bytes]:
    """One request: `*2 $3 GET $1 a`, each on a line of its own."""
    count = int((await reader.readuntil(b"\r\n"))[1:])
    parts: list[bytes] = []
    for _ in range(count):
        length = int((await reader.readuntil(b"\r\n"))[1:])
        parts.append((await reader.readexactly(length + 2))[:-2])
    return parts


def _packed(*parts: bytes) -> bytes:
    strings = (b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%s" % (len(parts), b"".join(strings))


async def _relay(there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await there.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # its client is gone
    finally:
        writer.close()
