import asyncio
import ipaddress
from collections.abc import AsyncIterator

import httpcore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.allowed_hosts import AllowedHosts, parse_allowed_hosts
from core.errors import UnsafeUrl
from services import guard
from services.guard import PinnedBackend, check_url, is_allowed_address

NOBODY = AllowedHosts()

_URLISH = r"\A(https?|HTTPS)://([a-z.@:\[\]%0-9x-]{0,12}\.)?[a-z0-9.\[\]:]{1,12}(:[0-9]{0,6})?[/?#]?.{0,9}\Z"

HOSTILE = {
    "only https": [
        "http://example.com/a.jpg",
        "ftp://example.com/a.jpg",
        "file:///etc/passwd",
        "gopher://example.com/",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "//example.com/a.jpg",
        "/a.jpg",
        "example.com/a.jpg",
        "",
        "__BATCH__",
        "wss://example.com/",
    ],
    "IP literal": [
        "https://127.0.0.1/",
        "https://127.0.0.1:7443/img/x.jpg",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7F.0.0.1/",
        "https://017700000001/",
        "https://0/",
        "https://0x/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.100.100.200/",
        "https://8.8.8.8/",
        "https://1.2.3/",
        "https://a.b.c.4/",
        "https://example.0x1/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1]/",
        "https://[fd00:ec2::254]/",
        "https://[2001:db8::1]:443/",
        "https://[64:ff9b::7f00:1]/",
    ],
    "local and internal": [
        "https://localhost/",
        "https://LOCALHOST/",
        "https://localhost./",
        "https://localhost\u3002/",
        "https://a.localhost/",
        "https://localhost.localdomain/",
        "https://printer.local/",
        "https://metadata.google.internal/computeMetadata/v1/",
        "https://metadata.goog/",
        "https://metadata.tencentyun.com/",
        "https://ip-10-0-0-1.ec2.internal/",
        "https://router.home.arpa/",
        "https://nas.lan/",
        "https://redis/",
        "https://kubernetes/",
        "https://db.corp/",
    ],
    "user name": [
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://@example.com/",
        "https://:@example.com/",
        "https://example.com@127.0.0.1/",
        "https://127.0.0.1@example.com/",
        "https://a@b@example.com/",
    ],
    "port": [
        "https://example.com:80/",
        "https://example.com:6379/",
        "https://example.com:8443/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:-1/",
    ],
    "control characters": [
        " https://example.com/",
        "https://example.com/a b.jpg",
        "https://example.com/\n",
        "https://exam\tple.com/",
        "https://example.com/\x00",
        "https://example.com/\r\nHost: localhost",
        "https://example.com\\@127.0.0.1/",
        "https:\\\\example.com/",
        "https://example.com/\u202egpj.exe",
        "https://example\u200b.com/",
        "https://example.com/\u3000",
    ],
    "characters": ["https://example.com/" + "a" * 2048],
    "host name": [
        "https:///a.jpg",
        "https:a.jpg",
        "https:/example.com/",
        "https://.example.com/",
        "https://example..com/",
        "https://example.com../",
        "https://-example.com/",
        "https://exa%6dple.com/",
        "https://127.0.0%2e1/",
        "https://" + "a" * 64 + ".com/",
        "https://" + "a." * 130 + "com/",
        "https://exa$mple.com/",
    ],
    "cannot be read": [
        "https://[::1/",
        "https://[::1]]/",
        "https://0177.0.0.1/",
        "https://256.256.256.256/",
        "https://example.com:https/",
        "https://example.com:443:443/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://\u24db\u24de\u24d2alhost/",
    ],
}

BENIGN = [
    "https://example.com",
    "https://example.com/",
    "https://EXAMPLE.com/A.jpg",
    "https://example.com.:443/a.jpg",
    "https://example.com:443/a.jpg",
    "https://example.com/a.jpg?x=1&y=2#top",
    "https://example.com/?url=http://127.0.0.1/",
    "https://example.com/a@b.jpg",
    "https://example.com/%E5%9B%BE.png",
    "https://example.com/\u56fe.png",
    "https://b\u00fccher.example/a.jpg",
    "https://xn--bcher-kva.example/a.jpg",
    "https://my_bucket.example.com/a.jpg",
    "https://1password.com/",
    "https://0x7f.example.com/",
    "https://localhost.example.com/",
    "https://internal.example.com/",
    "https://ark-content-generation-v2-ap-southeast-1.tos-ap-southeast-1.bytepluses.com/"
    "seedream-5-0/021/02179.jpeg?X-Tos-Algorithm=TOS4-HMAC-SHA256&X-Tos-Credential=AKLT%2F20261124"
    "%2Fap-southeast-1%2Ftos%2Frequest&X-Tos-Date=20261124T020000Z&X-Tos-Expires=86400"
    "&X-Tos-Signature=0f3a&X-Tos-SignedHeaders=host&x-tos-process=image%2Fwatermark%2Cimage_YXNz",
    "https://bucket.s3.amazonaws.com/clips/shot-1.mp4?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIA%2F20261124%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=ab12",
    "https://s3.eu-central-1.amazonaws.com/bucket/a%20b+c.jpg",
    "https://storage.googleapis.com/bucket/o.png?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Date=2",
    "https://abcdefgh.supabase.co/storage/v1/object/public/user-images/images/u/a.jpg",
    "https://abcdefgh.supabase.co/storage/v1/object/sign/user-videos/v.mp4?token=eyJh.eyJ1.sig",
    "https://d1234abcd.cloudfront.net/a.webp?Expires=1&Signature=a~b__&Key-Pair-Id=K1",
    "https://cdn.shotstack.io/au/v1/msgtwx8iw6/d724e03c.mp4",
    "https://generativelanguage.googleapis.com/v1beta/files/abc:download?alt=media",
]


@pytest.mark.parametrize(
    ("reason", "url"), [(reason, url) for reason, urls in HOSTILE.items() for url in urls]
)
def test_a_hostile_url_is_refused_with_its_reason(reason: str, url: str) -> None:
    with pytest.raises(UnsafeUrl, match=reason) as raised:
        check_url(url, NOBODY)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("url", BENIGN)
def test_a_benign_url_passes(url: str) -> None:
    assert check_url(url, NOBODY).port == 443


@pytest.mark.parametrize("url", [url for url in BENIGN if "X-" in url or "token" in url])
def test_a_signed_url_is_asked_for_byte_by_byte(url: str) -> None:
    assert str(check_url(url, NOBODY).url) == url


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
