"""Many connections in several pools: httpcore looks at all of a pool's for each request.

With a thousand of them in one pool that took most of the worker's time. The first pool that has
room is used, so that few requests share few connections.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx

ROOM = 16
"""Connections of one pool."""


def pooled(
    make: Callable[[int], httpx.AsyncBaseTransport], connections: int
) -> httpx.AsyncBaseTransport:
    """A transport with so many connections at most; `make` makes a pool of up to `ROOM`."""
    if connections <= ROOM:
        return make(connections)
    return Pools(make, -(-connections // ROOM))


@dataclass(slots=True)
class _Pool:
    transport: httpx.AsyncBaseTransport
    in_use: int = 0


class Pools(httpx.AsyncBaseTransport):
    """At most `number` pools, each made when those before it are full."""

    def __init__(self, make: Callable[[int], httpx.AsyncBaseTransport], number: int) -> None:
        self._make = make
        self._number = number
        self._pools: list[_Pool] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it by a connection that is counted until its response is closed."""
        pool = self._with_room()
        pool.in_use += 1
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException:
            pool.in_use -= 1
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Counted(response.stream, pool)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        for pool in self._pools:
            await pool.transport.aclose()

    def _with_room(self) -> _Pool:
        """The first that has any; where all are full, that with the fewest that wait."""
        for pool in self._pools:
            if pool.in_use < ROOM:
                return pool
        if len(self._pools) < self._number:
            self._pools.append(_Pool(self._make(ROOM)))
            return self._pools[-1]
        return min(self._pools, key=lambda pool: pool.in_use)


class _Counted(httpx.AsyncByteStream):
    """A response's body, whose end gives the connection back."""

    def __init__(self, stream: httpx.AsyncByteStream, pool: _Pool) -> None:
        self._stream = stream
        self._pool: _Pool | None = pool

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.in_use -= 1
        await self._stream.aclose()
