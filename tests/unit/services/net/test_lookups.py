"""Names whose servers are silent hold up nobody else's look-ups."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Lock
from typing import Any

import httpcore
import pytest

from config.validators.allowed_hosts import AllowedHosts
from services.net.guard import PinnedBackend
from services.net.lookups import Lookups

PUBLIC = "93.184.216.34"


class Resolver:
    """The system's; of names with `silent` in them it says nothing until it is let go."""

    def __init__(self) -> None:
        self.let_go = Event()
        self.asked: list[str] = []
        self._lock = Lock()

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        with self._lock:
            self.asked.append(host)
        if "silent" in host:
            self.let_go.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, port))] * 2

    async def was_asked(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.asked) < count:  # noqa: ASYNC110 (threads)
                await asyncio.sleep(0.01)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    found = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", found)
    yield found
    found.let_go.set()


async def given_up(backend: PinnedBackend, *hosts: str) -> None:
    """Connections to `hosts` that end by their time-outs."""
    for host in hosts:
        with pytest.raises(httpcore.ConnectTimeout, match="was not resolved in time"):
            await backend.connect_tcp(host, 443, timeout=0.05)


async def test_an_address_comes_once() -> None:
    assert await Lookups().addresses("127.0.0.1", 443) == ["127.0.0.1"]


async def test_silent_names_hold_up_no_other_download(resolver: Resolver) -> None:
    """Nor do those that a download has given up, whose threads go on."""
    lookups = Lookups()
    backend = PinnedBackend(AllowedHosts(), lookups.addresses)
    await given_up(backend, *(f"n{number}.silent.example" for number in range(8)))
    async with asyncio.timeout(30):
        assert await lookups.addresses("cdn.honest.example", 443) == [PUBLIC]


async def test_a_domain_has_four_places_whatever_its_names(resolver: Resolver) -> None:
    lookups = Lookups()
    hosts = [f"{number}.silent.example" for number in range(5)]
    waiting = [asyncio.create_task(lookups.addresses(host, 443)) for host in hosts]
    await resolver.was_asked(4)
    assert await lookups.addresses("cdn.honest.example", 443) == [PUBLIC]
    assert hosts[4] not in resolver.asked
    resolver.let_go.set()
    assert await asyncio.gather(*waiting) == [[PUBLIC]] * 5


async def test_a_place_is_free_again_when_its_look_up_ends(resolver: Resolver) -> None:
    lookups = Lookups()
    waiting = [asyncio.create_task(lookups.addresses("silent.example", 443)) for _ in range(4)]
    await resolver.was_asked(4)
    for one in waiting:
        one.cancel()
        with suppress(asyncio.CancelledError):
            await one
    fifth = asyncio.create_task(lookups.addresses("www.silent.example", 443))
    await asyncio.sleep(0)  # the fifth comes as far as it can before the next is asked for
    assert await lookups.addresses("cdn.honest.example", 443) == [PUBLIC]
    assert "www.silent.example" not in resolver.asked
    resolver.let_go.set()
    async with asyncio.timeout(30):
        assert await fifth == [PUBLIC]


@pytest.mark.parametrize(
    ("silent", "other"),
    [
        ("a.silent.co.uk", "b.honest.co.uk"),
        ("silent.com.cn", "honest.com.cn"),
        ("silent.de", "a.de"),
    ],
)
async def test_unlike_domains_of_one_country_share_no_places(
    resolver: Resolver, silent: str, other: str
) -> None:
    lookups = Lookups()
    waiting = [asyncio.create_task(lookups.addresses(silent, 443)) for _ in range(5)]
    await resolver.was_asked(4)
    async with asyncio.timeout(30):
        assert await lookups.addresses(other, 443) == [PUBLIC]
    resolver.let_go.set()
    await asyncio.gather(*waiting)
