"""Many connections in several pools, of which the first that has room is used."""

import asyncio

import httpx
import pytest

from services.net.pools import ROOM, Pools, pooled

URL = "http://127.0.0.1/"


class Pool(httpx.AsyncBaseTransport):
    """Answers when it may; `asked` counts, `is_closed` once it is."""

    def __init__(self, may_answer: asyncio.Event, error: Exception | None = None) -> None:
        self.asked = 0
        self.is_closed = False
        self._may_answer = may_answer
        self._error = error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        await self._may_answer.wait()
        if self._error is not None:
            raise self._error
        return httpx.Response(200, stream=httpx.ByteStream(b"body"), request=request)

    async def aclose(self) -> None:
        self.is_closed = True


class Pooled:
    """A client over pools; `made` are those that were needed."""

    def __init__(self, number: int, error: Exception | None = None) -> None:
        self.may_answer = asyncio.Event()
        self.made: list[Pool] = []
        self._error = error
        self.client = httpx.AsyncClient(transport=Pools(self._make, number))

    def _make(self, connections: int) -> Pool:
        assert connections == ROOM
        self.made.append(Pool(self.may_answer, self._error))
        return self.made[-1]

    @property
    def asked(self) -> list[int]:
        return [one.asked for one in self.made]

    async def get(self, number: int) -> list[httpx.Response | BaseException]:
        """So many at once, which are answered once all were sent."""
        sent = [asyncio.create_task(self.client.get(URL)) for _ in range(number)]
        for _ in range(50):  # turns of each
            await asyncio.sleep(0)
        self.may_answer.set()
        return await asyncio.gather(*sent, return_exceptions=True)


async def test_a_pool_is_made_when_those_before_it_are_full() -> None:
    pooled = Pooled(3)
    answers = await pooled.get(ROOM + 1)
    assert [one.text for one in answers if isinstance(one, httpx.Response)] == ["body"] * (ROOM + 1)
    assert pooled.asked == [ROOM, 1]
    await pooled.get(1)
    assert pooled.asked == [ROOM + 1, 1], "an answer that was read gives its place back"


async def test_where_all_are_full_the_shortest_is_used() -> None:
    pooled = Pooled(2)
    await pooled.get(2 * ROOM + 2)
    assert pooled.asked == [ROOM + 1, ROOM + 1]


async def test_a_request_that_failed_takes_no_place() -> None:
    pooled = Pooled(2, httpx.ConnectError("no route"))
    for _ in range(ROOM + 1):
        [error] = await pooled.get(1)
        assert isinstance(error, httpx.ConnectError)
    assert pooled.asked == [ROOM + 1]


async def test_all_are_closed() -> None:
    pooled = Pooled(2)
    await pooled.get(ROOM + 1)
    await pooled.client.aclose()
    assert [one.is_closed for one in pooled.made] == [True, True]


@pytest.mark.parametrize(("connections", "is_plain"), [(ROOM, True), (ROOM + 1, False)])
async def test_few_connections_are_in_one_pool(connections: int, is_plain: bool) -> None:
    made: list[int] = []

    def make(places: int) -> httpx.AsyncBaseTransport:
        made.append(places)
        return httpx.AsyncHTTPTransport()

    transport = pooled(make, connections)
    assert isinstance(transport, Pools) is not is_plain
    assert made == ([connections] if is_plain else [])
    await transport.aclose()
