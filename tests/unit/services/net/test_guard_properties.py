"""Whatever a URL looks like and whatever its name leads to, nothing inside is reached.

The sockets are watched, not opened: in place of connecting, each attempt is noted. The resolver is
the system's in this: it reads numbers as `inet_aton` does, and may answer otherwise the next time.
"""

import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpcore
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from config.settings import Settings
from core.errors import RetryableError, UnsafeUrl
from services.net.content import Kind
from services.net.downloads import Downloads
from services.net.guard import is_allowed_address
from services.net.sockets import AsyncioBackend
from tests.support.addresses import (
    Address,
    good_names,
    inside,
    is_inside,
    names,
    outside,
    spellings,
    urls,
)

Turns = list[list[Address]]
PUBLIC = ipaddress.IPv4Address("8.8.8.8")

_mixed = st.lists(st.one_of(inside, outside), max_size=6)
_many = settings(
    max_examples=settings().max_examples * 3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@given(inside)
@_many
def test_no_address_inside_is_allowed(address: Address) -> None:
    assert not is_allowed_address(str(address))


@given(st.ip_addresses())
@_many
def test_what_is_allowed_is_outside(address: Address) -> None:
    assert not (is_allowed_address(str(address)) and is_inside(address))


@given(outside)
def test_addresses_outside_are_allowed(address: Address) -> None:
    assert is_allowed_address(str(address))


class World:
    """What names lead to, and which addresses were tried."""

    def __init__(self) -> None:
        self.turns: Turns = []
        self.tried: list[str] = []
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        turn = min(len(self.asked), len(self.turns) - 1)
        self.asked.append(host)
        try:
            return [socket.inet_ntoa(socket.inet_aton(host))]
        except OSError:
            return [str(address) for address in self.turns[turn]]

    async def connect_tcp(self, _: object, host: str, port: int, *__: Any, **___: Any) -> Any:
        self.tried.append(host)
        raise httpcore.ConnectError("nobody is there")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()

    async def connect_tcp(*args: Any, **options: Any) -> Any:
        return await world.connect_tcp(*args, **options)

    monkeypatch.setattr(AsyncioBackend, "connect_tcp", connect_tcp)
    return world


@pytest.fixture
async def fetch(
    world: World, settings: Callable[..., Settings], tmp_path: Path
) -> AsyncIterator[Callable[..., Any]]:
    downloads = Downloads(settings(), world.resolve)

    async def fetch(url: str, turns: Turns) -> str:
        """How it ended; `world` has what was tried."""
        world.turns = turns
        world.tried.clear()
        world.asked.clear()
        with pytest.raises((UnsafeUrl, RetryableError)) as raised:
            await downloads.fetch(url, tmp_path / "x", max_bytes=1, accept=Kind.IMAGE)
        return raised.type.__name__

    yield fetch
    await downloads.aclose()


@pytest.mark.slow
@given(urls(st.one_of(names, spellings(inside), spellings(outside))), st.lists(_mixed, min_size=1))
@example("https://rebinding.example.com/", [[PUBLIC], [ipaddress.IPv6Address("::1")]])
@_many
async def test_nothing_inside_is_ever_tried(
    world: World, fetch: Callable[..., Any], url: str, turns: Turns
) -> None:
    await fetch(url, turns)
    assert not any(is_inside(ipaddress.ip_address(host)) for host in world.tried)
    # Looked up once, and nothing else than what was found then.
    assert len(world.asked) <= 1
    assert set(world.tried) <= {str(address) for address in turns[0]}
    assert not (world.tried and any(map(is_inside, turns[0])))


@pytest.mark.slow
@given(spellings(st.one_of(inside, outside)), st.lists(outside, min_size=1))
@_many
async def test_no_address_is_let_through_however_it_is_spelled(
    world: World, fetch: Callable[..., Any], host: str, elsewhere: list[Address]
) -> None:
    assert await fetch(f"https://{host}/", [elsewhere]) == "UnsafeUrl"
    assert (world.asked, world.tried) == ([], [])


@pytest.mark.slow
@given(good_names, st.lists(outside, min_size=1, max_size=4, unique=True), _mixed)
@_many
async def test_a_public_name_is_asked_until_it_leads_inside(
    world: World, fetch: Callable[..., Any], name: str, before: list[Address], after: list[Address]
) -> None:
    assert await fetch(f"https://{name}/", [before]) == "TransientError"
    assert world.tried == [str(address) for address in before]
    is_safe = not any(map(is_inside, after))
    assert await fetch(f"https://{name}/", [after]) == (
        "TransientError" if is_safe else "UnsafeUrl"
    )
    assert world.tried == [str(address) for address in after[:4] if is_safe]
