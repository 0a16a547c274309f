"""Against a real https server on this machine, reached as a host that the operator vouches for."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from core.errors import RetryableError, UnrecoverableError, UnsafeUrl, UnusableContent
from services.net.content import Kind
from services.net.downloads import Downloads

MIB = 1024 * 1024
TYPES = ["image/jpeg", "image/png", "image/webp"]

Response = Callable[..., bytes]
Fetch = Callable[..., Any]


@pytest.mark.parametrize("content_type", TYPES)
async def test_a_picture_is_stored_as_what_it_is(
    fetch: Fetch,
    media: Any,
    response: Response,
    pictures: dict[str, bytes],
    content_type: str,
    tmp_path: Path,
) -> None:
    picture = pictures[content_type]
    url = media.on("/a.jpg", response(picture, content_type="application/octet-stream"))
    got = await fetch(url)
    assert (got.path, got.size_bytes, got.content_type) == (
        tmp_path / "picture",
        len(picture),
        content_type,
    )
    assert got.path.read_bytes() == picture


async def test_a_body_of_several_chunks_arrives_whole(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes
) -> None:
    large = jpeg[:2] + b"\xff\xfe\xff\xff" + bytes(65533) + bytes(MIB) + jpeg[2:]
    got = await fetch(media.on("/a.jpg", response(large)))
    assert got.path.read_bytes() == large


async def test_a_signature_that_arrives_byte_by_byte(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes
) -> None:
    async def slowly(writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"", length=len(jpeg)))
        for byte in jpeg[:16]:
            await asyncio.sleep(0.005)
            writer.write(bytes([byte]))
            await writer.drain()
        writer.write(jpeg[16:])

    downloaded = await fetch(media.on("/a.jpg", slowly))
    assert downloaded.path.read_bytes() == jpeg
    assert downloaded.content_type == "image/jpeg"


async def test_a_chunked_body(fetch: Fetch, media: Any, response: Response, jpeg: bytes) -> None:
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(jpeg), jpeg)
    url = media.on("/a.jpg", response(body, length=None, transfer_encoding="chunked"))
    assert (await fetch(url)).path.read_bytes() == jpeg


async def test_in_memory(client: Downloads, media: Any, response: Response, jpeg: bytes) -> None:
    url = media.on("/a.jpg", response(jpeg))
    got = await client.fetch_bytes(url, max_bytes=MIB, accept=Kind.IMAGE)
    assert got == (jpeg, "image/jpeg")


async def test_the_request_holds_nothing_beyond_what_every_client_sends(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes
) -> None:
    target = "/a%20b/c+d.jpg?X-Amz-Signature=a%2Fb&x=~%27()*!,;:@"
    media.on("/a%20b/c+d.jpg", response(jpeg, set_cookie="a=b; Path=/"))
    for _ in range(2):
        await fetch(media.url(target))
    for request in media.requests:
        assert request.line == f"GET {target} HTTP/1.1"
        assert request.headers == {
            "host": f"media.example.com:{media.port}",
            "accept": "*/*",
            "accept-encoding": "identity",
            "connection": "keep-alive",
            "user-agent": "vidfab-worker",
        }


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 T", "308 P"])
async def test_a_redirect_is_followed(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes, status: str
) -> None:
    media.on("/b.jpg", response(jpeg))
    url = media.on("/a.jpg", response(b"", status=status, location="/b.jpg"))
    assert (await fetch(url)).size_bytes == len(jpeg)


async def test_five_redirects_are_followed_and_no_more(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes
) -> None:
    for hop in range(6):
        media.on(f"/{hop}", response(b"", status="302 Found", location=f"/{hop + 1}"))
    media.on("/6", response(jpeg))
    assert (await fetch(media.url("/1"))).size_bytes == len(jpeg)
    with pytest.raises(UnrecoverableError, match="more than 5 redirects"):
        await fetch(media.url("/0"))


async def test_a_redirect_may_hold_spaces_and_letters_of_any_script(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes
) -> None:
    media.on("/my%20%E5%9B%BE%E3%80%801.jpg", response(jpeg))
    url = media.on("/a.jpg", response(b"", status="302 Found", location="my \u56fe\u30001.jpg"))
    assert (await fetch(url)).size_bytes == len(jpeg)


async def test_a_redirect_loop_ends(fetch: Fetch, media: Any, response: Response) -> None:
    url = media.on("/loop", response(b"", status="302 Found", location="/loop"))
    with pytest.raises(UnrecoverableError, match="more than 5 redirects"):
        await fetch(url)
    assert len(media.requests) == 6


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("https://127.0.0.1/latest", "redirect from media.example.com: IP literal"),
        ("//169.254.169.254/latest/meta-data/", "redirect from media.example.com: IP literal"),
        ("http://media.example.com/a.jpg", "only https"),
        ("https://localhost/", "local and internal"),
        ("https://user:pass@media.example.com/", "user name"),
        ("file:///etc/passwd", "only https"),
        ("https://inside.example.com/", "inside.example.com leads to an address"),
        ("https://[::1", "cannot be read"),
        ("//[::1", "cannot be read"),
        ("https:a.jpg", "host name is not a valid one"),
        ("javascript:alert(1)", "only https"),
        ("a:b.jpg", "only https"),
        ("/a\\b.jpg", "backslashes"),
        ("/" + "a" * 2048, "longer than 2048"),
    ],
)
async def test_a_redirect_is_judged_anew(
    fetch: Fetch, media: Any, response: Response, location: str, reason: str
) -> None:
    url = media.on("/a.jpg", response(b"", status="302 Found", location=location))
    with pytest.raises(UnsafeUrl, match=reason):
        await fetch(url)


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/a.jpg", "https://inside.example.com/a.jpg", "http://example.com/"]
)
async def test_an_unsafe_address_is_not_fetched(fetch: Fetch, url: str) -> None:
    with pytest.raises(UnsafeUrl):
        await fetch(url)


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("404 Not here", "404 Not Found"),
        ("403 Forbidden", "403 Forbidden"),
        ("410 Gone", "410 Gone"),
        ("401 Unauthorized", "401 Unauthorized"),
        ("204 No Content", "204 No Content"),
        ("304 Not Modified", "304 Not Modified"),
        ("499 What", "499"),
    ],
)
async def test_a_status_that_stays_is_permanent(
    fetch: Fetch, media: Any, response: Response, status: str, shown: str
) -> None:
    url = media.on("/a.jpg", response(b"", status=status))
    with pytest.raises(UnrecoverableError) as raised:
        await fetch(url)
    assert str(raised.value) == f"Download failed: the server answered {shown}"


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
async def test_a_status_that_may_pass_is_retryable(
    fetch: Fetch, media: Any, response: Response, status: int
) -> None:
    url = media.on("/a.jpg", response(b"", status=f"{status} Later"))
    with pytest.raises(RetryableError, match=f"the server answered {status} "):
        await fetch(url)


async def test_a_body_shorter_than_its_length_is_retryable(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes, tmp_path: Path
) -> None:
    url = media.on("/a.jpg", response(jpeg[:-10], length=len(jpeg)))
    with pytest.raises(RetryableError, match=r"/a\.jpg failed: peer closed connection") as raised:
        await fetch(url + "?X-Amz-Signature=secret")
    assert "secret" not in str(raised.value)
    assert not (tmp_path / "picture").exists()


async def test_a_chunked_body_without_its_end_is_retryable(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes
) -> None:
    body = b"%x\r\n%s\r\n" % (len(jpeg), jpeg)
    url = media.on("/a.jpg", response(body, length=None, transfer_encoding="chunked"))
    with pytest.raises(RetryableError):
        await fetch(url)


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("missing", [1000, 60_000])
async def test_a_picture_cut_off_without_a_length_is_retryable(
    fetch: Fetch,
    media: Any,
    response: Response,
    pictures: dict[str, bytes],
    content_type: str,
    missing: int,
    tmp_path: Path,
) -> None:
    url = media.on("/a.jpg", response(pictures[content_type][:-missing], length=None))
    with pytest.raises(RetryableError, match="cut off before its end"):
        await fetch(url)
    assert not (tmp_path / "picture").exists()


async def test_an_empty_body_is_retryable(fetch: Fetch, media: Any, response: Response) -> None:
    with pytest.raises(RetryableError, match="sent nothing"):
        await fetch(media.on("/a.jpg", response(b"")))


async def test_more_bytes_than_the_length_are_not_read(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes
) -> None:
    url = media.on("/a.jpg", response(jpeg + b"more", length=len(jpeg)))
    assert (await fetch(url)).path.read_bytes() == jpeg


async def test_exactly_the_limit_is_not_too_large(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes
) -> None:
    url = media.on("/a.jpg", response(jpeg))
    assert (await fetch(url, len(jpeg))).size_bytes == len(jpeg)
    with pytest.raises(UnusableContent):
        await fetch(url, len(jpeg) - 1)


@pytest.mark.parametrize(
    "body",
    [
        b"<!doctype html><title>Sign in</title>" + bytes(100),
        b'{"error": "expired"}',
        b"GIF89a" + bytes(100),
        b"\x00\x00\x00\x1cftypavif" + bytes(100),
        b"\x00\x00\x00\x1cftypisom" + bytes(100),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"x",
    ],
)
async def test_what_is_not_an_image_is_refused_whatever_it_says(
    fetch: Fetch, media: Any, response: Response, body: bytes, tmp_path: Path
) -> None:
    url = media.on("/a.jpg", response(body, content_type="image/jpeg"))
    with pytest.raises(UnusableContent, match="is not an image"):
        await fetch(url)
    assert not (tmp_path / "picture").exists()


async def test_a_server_that_is_away_is_retryable(
    settings: Callable[..., Settings], tmp_path: Path, unused_tcp_port: int
) -> None:
    hosts = f"media.example.com:{unused_tcp_port}=127.0.0.1"
    client = Downloads(settings(DOWNLOAD_ALLOWED_HOSTS=hosts))
    url = f"https://media.example.com:{unused_tcp_port}/a.jpg?token=secret"
    with pytest.raises(RetryableError) as raised:
        await client.fetch(url, tmp_path / "picture", max_bytes=MIB, accept=Kind.IMAGE)
    assert "secret" not in str(raised.value)
    await client.aclose()


async def test_a_certificate_of_another_name_is_refused(
    settings: Callable[..., Settings], media: Any, response: Response, jpeg: bytes, tmp_path: Path
) -> None:
    media.on("/a.jpg", response(jpeg))
    hosts = f"other.example.com:{media.port}=127.0.0.1"
    client = Downloads(settings(DOWNLOAD_ALLOWED_HOSTS=hosts))
    url = f"https://other.example.com:{media.port}/a.jpg"
    with pytest.raises(RetryableError, match="certificate verify failed"):
        await client.fetch(url, tmp_path / "picture", max_bytes=MIB, accept=Kind.IMAGE)
    await client.aclose()
