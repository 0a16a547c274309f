import asyncio
import ipaddress
from collections.abc import AsyncIterator

import httpcore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.validators.allowed_hosts import AllowedHosts, parse_allowed_hosts
from core.errors import UnsafeUrl
from services.net import guard
from services.net.guard import CheckedUrl, PinnedBackend, check_url, is_allowed_address
from tests.support.urls import BENIGN, HOSTILE, Specimen, each

NOBODY = AllowedHosts()

_URLISH = r"\A(https?|HTTPS)://([a-z.@:\[\]%0-9x-]{0,12}\.)?[a-z0-9.\[\]:]{1,12}(:[0-9]{0,6})?[/?#]?.{0,9}\Z"


@each(HOSTILE)
async def test_a_hostile_url_is_refused_with_its_reason(specimen: Specimen) -> None:
    with pytest.raises(UnsafeUrl, match=specimen.says) as raised:
        await judged(specimen)
    assert str(raised.value).isprintable()


@each(BENIGN)
async def test_a_benign_url_passes(specimen: Specimen) -> None:
    assert (await judged(specimen)).port == 443


async def judged(specimen: Specimen) -> CheckedUrl:
    """By its text, then by what its name leads to; a URL that passes is asked for nowhere."""
    checked = check_url(specimen.url, NOBODY)
    if not all(is_allowed_address(address) for address in specimen.answers):
        backend = PinnedBackend(NOBODY, resolving(*specimen.answers))
        await backend.connect_tcp(checked.host, checked.port, timeout=5)
    return checked


@each([one for one in BENIGN if "signed" in one.why])
def test_a_signed_url_is_asked_for_byte_by_byte(specimen: Specimen) -> None:
    assert str(check_url(specimen.url, NOBODY).url) == specimen.url


@pytest.mark.slow
@given(st.one_of(st.text(), st.text().map("https://{}".format), st.from_regex(_URLISH)))
@settings(max_examples=500, deadline=None)
def test_any_text_is_either_refused_or_leads_to_a_host_name(text: str) -> None:
    try:
        checked = check_url(text, NOBODY)
    except UnsafeUrl:
        return
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 address"):
        ipaddress.ip_address(checked.host)
    assert checked.url.raw_host.decode() == checked.host
    assert checked.url.scheme == "https"
    assert checked.url.port is None


def test_the_longest_url() -> None:
    url = "https://example.com/" + "a" * 2028
    assert len(url) == 2048
    assert check_url(url, NOBODY).host == "example.com"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://EXAMPLE.com/", "example.com"),
        ("https://example.com./", "example.com"),
        ("https://b\u00fccher.example/", "xn--bcher-kva.example"),
    ],
)
def test_the_host_that_is_asked_is_the_one_that_was_judged(url: str, host: str) -> None:
    checked = check_url(url, NOBODY)
    assert (checked.host, checked.url.raw_host) == (host, host.encode())


def test_messages_show_no_query() -> None:
    checked = check_url("https://example.com/a/b.jpg?X-Amz-Signature=secret#top", NOBODY)
    assert str(checked) == "https://example.com/a/b.jpg"


VOUCHED = parse_allowed_hosts("minio:9000=10.0.0.5, media.local=10.0.0.6, 10.0.0.7:9443=10.0.0.7")


@pytest.mark.parametrize(
    "url", ["https://minio:9000/a", "https://MEDIA.local/a", "https://10.0.0.7:9443/a"]
)
def test_a_vouched_host_passes_on_its_port(url: str) -> None:
    assert check_url(url, VOUCHED).url.path == "/a"


@pytest.mark.parametrize(
    "url",
    [
        "https://minio/a",
        "https://minio:9001/a",
        "http://minio:9000/a",
        "https://user@minio:9000/a",
        "https://media.local:8443/a",
        "https://10.0.0.7/a",
    ],
)
def test_a_vouched_host_passes_nowhere_else(url: str) -> None:
    with pytest.raises(UnsafeUrl):
        check_url(url, VOUCHED)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "193.0.0.1", "2606:4700::1111", "2a00:1450:4001:81b::200e"]
)
def test_a_public_address(address: str) -> None:
    assert is_allowed_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "192.0.0.8",
        "192.0.0.9",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::808:808",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "5f00::1",
        "nonsense",
    ],
)
def test_any_other_address_is_refused(address: str) -> None:
    assert not is_allowed_address(address)


def resolving(*addresses: str) -> guard.Resolver:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


@pytest.mark.parametrize(
    "addresses", [("10.0.0.1",), ("8.8.8.8", "127.0.0.1"), ("::1",), ("8.8.8.8", "64:ff9b::1")]
)
async def test_one_private_address_refuses_the_name(addresses: tuple[str, ...]) -> None:
    backend = PinnedBackend(NOBODY, resolving(*addresses))
    with pytest.raises(UnsafeUrl, match=r"rebind\.example\.com leads to"):
        await backend.connect_tcp("rebind.example.com", 443, timeout=5)


async def test_the_system_resolver_is_judged_too() -> None:
    with pytest.raises(UnsafeUrl, match="localhost leads to"):
        await PinnedBackend(NOBODY).connect_tcp("localhost", 443, timeout=5)


async def test_a_name_without_addresses_is_a_connect_error() -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    for resolve in (unknown, resolving()):
        with pytest.raises(httpcore.ConnectError):
            await PinnedBackend(NOBODY, resolve).connect_tcp("gone.example.com", 443, timeout=5)


async def test_a_resolver_that_hangs_is_a_connect_timeout() -> None:
    async def hang(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(httpcore.ConnectTimeout):
        await PinnedBackend(NOBODY, hang).connect_tcp("slow.example.com", 443, timeout=0.01)


async def test_unix_sockets_are_refused() -> None:
    with pytest.raises(UnsafeUrl):
        await PinnedBackend(NOBODY).connect_unix_socket("/var/run/docker.sock")


@pytest.fixture
async def listening_port() -> AsyncIterator[int]:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def greeting(backend: PinnedBackend, host: str, port: int) -> bytes:
    stream = await backend.connect_tcp(host, port, timeout=5)
    try:
        return await stream.read(5, timeout=5)
    finally:
        await stream.aclose()


async def test_the_connection_goes_to_the_address_that_was_judged(
    listening_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []

    def judge(address: str) -> bool:
        judged.append(address)
        return True

    monkeypatch.setattr(guard, "is_allowed_address", judge)
    # Nothing listens on 127.0.0.2, so the second address is tried as well.
    backend = PinnedBackend(NOBODY, resolving("127.0.0.2", "127.0.0.1"))
    assert await greeting(backend, "unknown.invalid", listening_port) == b"hello"
    assert judged == ["127.0.0.2", "127.0.0.1"]


async def test_a_vouched_host_is_reached_at_its_address_without_a_resolver(
    listening_port: int,
) -> None:
    async def never(host: str, port: int) -> list[str]:
        raise AssertionError("a vouched host needs no resolver")

    allowed = AllowedHosts({("media.local", listening_port): "127.0.0.1"})
    backend = PinnedBackend(allowed, never)
    assert await greeting(backend, "media.local", listening_port) == b"hello"
