"""Connections to other services: enough of them, and kept for as long as is safe."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpcore
import pytest

from config.settings import Settings
from core.paths import Bucket
from sandbox.processes import LOOPBACK
from services.bundle import Services
from services.images.base import ImageRequest
from services.net.content import Kind
from services.net.downloads import Downloads
from services.storage.spool import Upload, whole

MANY = 110
FILE_BYTES = 9


class KeptOpen:
    """A server whose connections stay open; `connections` counts them."""

    def __init__(self, rows: bytes = b"[]", other: bytes = b"{}") -> None:
        self.connections = 0
        self._rows = _answer(rows)
        self._other = _answer(other)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await _head(reader):
            await reader.readexactly(_length(head))
            writer.write(self._rows if b" /rest/" in head else self._other)
        writer.close()


def _answer(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    found = [line for line in lines if line.startswith(b"content-length:")]
    return int(found[0].split(b":")[1]) if found else 0


class Clock:
    """The connections' clock, which can be put forward."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_s

    def forward(self, seconds: float) -> None:
        self._ahead_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    module = httpcore._async.http11  # pyright: ignore
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
async def services(
    settings: Callable[..., Settings],
) -> AsyncIterator[Callable[..., Services]]:
    made: list[Services] = []

    def make(**variables: str) -> Services:
        made.append(Services(settings(**variables)))
        return made[-1]

    yield make
    for one in made:
        await one.aclose()


async def read_rows(services: Services) -> None:
    await services.supabase.query("read", lambda db: db.from_("videos").select("id").execute())


async def store(services: Services, file: Path) -> None:
    """By both ways to storage: of whole small files, and of videos."""
    path = "videos/u/v.mp4"
    await services.supabase.upload(
        Bucket.IMAGES, "a.jpg", file, content_type="image/jpeg", max_age_s=0
    )
    with whole(file) as spool:
        await services.uploads.send(Upload(spool, Bucket.VIDEOS, path, FILE_BYTES, "video/mp4"))


async def test_rows_and_files_share_connections_that_live_55_s(
    services: Callable[..., Services], clock: Clock, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(FILE_BYTES))
    supabase = KeptOpen(other=b'{"Key": "k"}')
    async with await asyncio.start_server(supabase.serve, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        project = services(SUPABASE_URL=f"http://{LOOPBACK}:{port}")
        await read_rows(project)
        clock.forward(54)
        await store(project, file)
        clock.forward(54)
        await read_rows(project)
        assert supabase.connections == 1
        clock.forward(56)
        await read_rows(project)
        assert supabase.connections == 2
        await project.aclose()


async def test_connections_of_paid_requests_live_5_s(
    services: Callable[..., Services], clock: Clock
) -> None:
    """A request on one that the server just closes counts as paid, and is not sent again."""
    vendor = KeptOpen(other=b'{"data": [{"url": "https://a.example/1.jpg"}]}')
    async with await asyncio.start_server(vendor.serve, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://{LOOPBACK}:{port}"
        made = services(BYTEPLUS_API_KEY="key", BYTEPLUS_ARK_BASE_URL=url)
        assert made.images is not None
        request = ImageRequest("a door", "16:9", ())
        await made.images.generate(request)
        await made.images.generate(request)
        assert vendor.connections == 1
        clock.forward(6)
        await made.images.generate(request)
        assert vendor.connections == 2
        await made.aclose()


async def test_rows_are_asked_for_32_at_once(
    services: Callable[..., Services], provider: Any, response: Callable[..., bytes]
) -> None:
    """However many jobs there are: the answers to all of them would be read in one turn."""
    all_there = asyncio.Barrier(32)
    under_way: set[asyncio.StreamWriter] = set()

    async def together(writer: asyncio.StreamWriter) -> None:
        under_way.add(writer)
        assert len(under_way) <= 32
        await all_there.wait()
        under_way.discard(writer)
        writer.write(response(b"[]", content_type="application/json"))

    provider.on("/rest/v1/videos", together)
    project = services(SUPABASE_URL=provider.url(""), QUEUE_CONCURRENCY="64")
    async with asyncio.timeout(60):
        await asyncio.gather(*(read_rows(project) for _ in range(64)))


async def test_as_many_files_are_downloaded_at_once_as_jobs_may(
    settings: Callable[..., Settings],
    media: Any,
    response: Callable[..., bytes],
    jpeg: bytes,
    tmp_path: Path,
) -> None:
    number = 25
    all_there = asyncio.Barrier(number)

    async def together(writer: asyncio.StreamWriter) -> None:
        await all_there.wait()
        writer.write(response(jpeg))

    url = media.on("/a.jpg", together)
    hosts = f"media.example.com:{media.port}=127.0.0.1"
    client = Downloads(settings(DOWNLOAD_ALLOWED_HOSTS=hosts, QUEUE_CONCURRENCY=str(number)))
    files = [tmp_path / str(one) for one in range(number)]
    await asyncio.gather(
        *(client.fetch(url, one, max_bytes=len(jpeg), accept=Kind.IMAGE) for one in files)
    )
    await client.aclose()


async def test_waiting_for_a_place_is_no_failure(services: Callable[..., Services]) -> None:
    """It waits for as long as those before it take, whose time-outs bound it."""
    made = services(BYTEPLUS_API_KEY="key")
    clients = [
        made.supabase._row_http,  # pyright: ignore[reportPrivateUsage]
        made.supabase._file_http,  # pyright: ignore[reportPrivateUsage]
        made.uploads._client,  # pyright: ignore[reportPrivateUsage]
        made.downloads._client,  # pyright: ignore[reportPrivateUsage]
        made.images._client,  # pyright: ignore
    ]
    assert [client.timeout.pool for client in clients] == [None] * len(clients)
