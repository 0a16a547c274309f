"""Servers that lie, bloat, drip or never end, against a real https server on this machine."""

import asyncio
import gzip
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.settings import Settings
from core.errors import RetryableError, UnrecoverableError, UnusableContent
from services.net import downloads, streaming_body
from services.net.content import Kind
from services.net.downloads import Downloads
from tests.support.server import without_end

MIB = 1024 * 1024

Response = Callable[..., bytes]
Fetch = Callable[..., Any]
Writer = asyncio.StreamWriter


async def test_what_says_that_it_is_too_large_is_not_read(
    fetch: Fetch, media: Any, response: Response
) -> None:
    async def never_ends(writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"", length=10 * MIB + 1))
        await media.closing.wait()

    with pytest.raises(UnusableContent, match="larger than 10 MiB"):
        await fetch(media.on("/a.jpg", never_ends), deadline=timedelta(seconds=20))


async def test_what_turns_out_too_large_is_not_read_on(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes
) -> None:
    async def never_ends(writer: asyncio.StreamWriter) -> None:
        writer.write(response(jpeg, length=None))
        await without_end(writer, bytes(65536))

    url = media.on("/a.jpg", never_ends)
    with pytest.raises(UnusableContent, match=r"larger than 1\.5 MiB"):
        await fetch(url, int(1.5 * MIB), deadline=timedelta(seconds=20))


async def test_a_body_compressed_unasked_is_refused(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes
) -> None:
    url = media.on("/a.jpg", response(jpeg, content_encoding="gzip"))
    with pytest.raises(UnusableContent, match="compressed"):
        await fetch(url)


async def test_a_body_that_trickles_meets_the_deadline(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes, tmp_path: Path
) -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(response(jpeg[:1000], length=len(jpeg)))
        await media.closing.wait()

    url = media.on("/a.jpg", trickle)
    with pytest.raises(RetryableError, match=r"/a\.jpg took longer than 0\.3 s"):
        await fetch(url + "?token=secret", deadline=timedelta(seconds=0.3))
    assert not (tmp_path / "picture").exists()


async def test_a_body_that_stands_still_is_retryable(
    settings: Callable[..., Settings],
    media: Any,
    response: Response,
    jpeg: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def stall(writer: asyncio.StreamWriter) -> None:
        writer.write(response(jpeg[:1000], length=len(jpeg)))
        await media.closing.wait()

    monkeypatch.setattr(downloads, "_TIMEOUT", httpx.Timeout(5, read=0.2))
    hosts = f"media.example.com:{media.port}=127.0.0.1"
    impatient = Downloads(settings(DOWNLOAD_ALLOWED_HOSTS=hosts))
    url = media.on("/a.jpg", stall)
    with pytest.raises(RetryableError, match="ReadTimeout"):
        await impatient.fetch(url, tmp_path / "picture", max_bytes=MIB, accept=Kind.IMAGE)
    await impatient.aclose()


BOMB = gzip.compress(bytes(50 * MIB))


@pytest.mark.parametrize(
    "encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "x-gzip", "identity, gzip", "gzip, gzip"]
)
async def test_a_bomb_is_not_unpacked(
    fetch: Fetch, media: Any, response: Response, encoding: str
) -> None:
    url = media.on("/a.jpg", response(BOMB, content_encoding=encoding))
    with pytest.raises(UnusableContent, match="compressed"):
        await fetch(url)


@pytest.mark.parametrize("encoding", ["gzip", "gzip, chunked"])
async def test_a_bomb_in_the_transfer_is_not_unpacked(
    fetch: Fetch, media: Any, response: Response, encoding: str
) -> None:
    url = media.on("/a.jpg", response(BOMB, length=None, transfer_encoding=encoding))
    with pytest.raises(RetryableError, match="failed: "):
        await fetch(url)


@pytest.mark.parametrize("encoding", ["", " ", "identity", "Identity"])
async def test_a_body_said_to_be_as_it_is(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes, encoding: str
) -> None:
    url = media.on("/a.jpg", response(jpeg, content_encoding=encoding))
    assert (await fetch(url)).size_bytes == len(jpeg)


LENGTHS = {
    "negative": "-1",
    "a word": "many",
    "hexadecimal": "0x10",
    "two": "1, 2",
    "beyond all files": "9" * 30,
    "beyond all numbers": "9" * 5000,
    "of another script": "\u0661",
}


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
async def test_a_length_that_is_none_is_one_sentence(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes, length: str
) -> None:
    url = media.on("/a.jpg", response(jpeg, length=None, content_length=length))
    with pytest.raises(RetryableError, match=r"^Download of https://\S+ failed: [^\n]+$"):
        await fetch(url)


async def test_two_lengths_are_refused(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes
) -> None:
    answer = response(jpeg).replace(b"\r\n\r\n", b"\r\ncontent-length: 5\r\n\r\n", 1)
    with pytest.raises(RetryableError, match="failed: "):
        await fetch(media.on("/a.jpg", answer))


@pytest.fixture
def answer_in_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_ANSWER_S", 0.5)


@pytest.fixture
def chunks_in_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming_body, "_CHUNK_S", 0.5)


def dripping(media: Any, drop: bytes, before: bytes = b"") -> Callable[[Writer], Any]:
    """Sends a drop now and then, without end; each would reset a time-out on silence."""

    async def drip(writer: Writer) -> None:
        writer.write(before)
        while not media.closing.is_set():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.02)

    return drip


@pytest.mark.usefixtures("answer_in_a_moment")
@pytest.mark.parametrize(
    "drop",
    [b"x-a: b\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"],
    ids=["a header without end", "answers before the answer"],
)
async def test_an_answer_that_drips_ends(fetch: Fetch, media: Any, drop: bytes) -> None:
    before = b"HTTP/1.1 200 OK\r\n" if drop.startswith(b"x") else b""
    url = media.on("/a.jpg", dripping(media, drop, before))
    with pytest.raises(RetryableError, match=r"/a\.jpg failed: no answer came within 0\.5 s$"):
        await fetch(url)


@pytest.mark.usefixtures("chunks_in_a_moment")
@pytest.mark.parametrize("sent", [0, 1000, 300_000])
async def test_a_body_that_drips_ends(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes, tmp_path: Path, sent: int
) -> None:
    head = response((jpeg + bytes(MIB))[:sent], length=5 * MIB)
    url = media.on("/a.jpg", dripping(media, b"x", head))
    with pytest.raises(RetryableError, match=r"failed: less than 1024 KiB came within 0\.5 s$"):
        await fetch(url)
    assert not (tmp_path / "picture").exists()


@pytest.mark.usefixtures("chunks_in_a_moment")
async def test_a_reader_that_takes_its_time_is_no_slow_server(
    client: Downloads, media: Any, response: Response, jpeg: bytes
) -> None:
    url = media.on("/a.jpg", response(jpeg + bytes(2 * MIB)))
    async with client.stream(url, max_bytes=5 * MIB, accept=Kind.IMAGE) as body:
        size = 0
        async for chunk in body.chunks:
            size += len(chunk)
            await asyncio.sleep(0.6 if size <= MIB // 2 else 0)
    assert size == len(jpeg) + 2 * MIB


async def test_a_head_without_end_is_cut_off(fetch: Fetch, media: Any) -> None:
    async def never_ends(writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await without_end(writer, b"x-a: " + b"b" * 8000 + b"\r\n")

    with pytest.raises(RetryableError, match="failed: "):
        await fetch(media.on("/a.jpg", never_ends), deadline=timedelta(seconds=20))


@pytest.mark.parametrize("status", ["302 Found", "404 Not Found", "503 Unavailable"])
async def test_what_comes_with_another_status_is_not_read(
    fetch: Fetch, media: Any, response: Response, jpeg: bytes, status: str
) -> None:
    async def never_ends(writer: Writer) -> None:
        writer.write(response(b"", status=status, length=None, location="/b.jpg"))
        await without_end(writer, bytes(65536))

    media.on("/b.jpg", response(jpeg))
    url = media.on("/a.jpg", never_ends)
    async with asyncio.timeout(5):
        if status.startswith("302"):
            assert (await fetch(url)).size_bytes == len(jpeg)
        else:
            with pytest.raises((UnrecoverableError, RetryableError), match=status[:3]):
                await fetch(url)


@pytest.mark.parametrize(
    "answer",
    [b"", b"\r\n", b"hello", b"SSH-2.0-OpenSSH_9.2\r\n", b"-ERR unknown command\r\n", bytes(99)],
    ids=["nothing", "a line", "a word", "ssh", "redis", "zeros"],
)
async def test_what_is_no_http_is_one_sentence(fetch: Fetch, media: Any, answer: bytes) -> None:
    with pytest.raises(RetryableError, match=r"^Download of https://\S+ failed: [^\n]+$"):
        await fetch(media.on("/a.jpg", answer))
