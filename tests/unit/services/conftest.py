"""Settings, waits that take no time, and servers on this machine."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import stamina
import trustme
from loguru import logger
from PIL import Image

from config.settings import Settings
from services.net.content import Kind
from services.net.downloads import Downloaded, Downloads
from tests.support.server import Server, response, running

_TEN_MIB = 10 * 1024 * 1024


@pytest.fixture
async def provider() -> AsyncIterator[Server]:
    """A server for plain HTTP."""
    async with running(Server()) as server:
        yield server


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def media(ca: trustme.CA) -> AsyncIterator[Server]:
    """A server for https, called media.example.com and by the name of Google's API."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("media.example.com", "generativelanguage.googleapis.com").configure_cert(tls)
    async with running(Server(name="media.example.com", scheme="https"), tls) as server:
        yield server


@pytest.fixture
def settings(ca: trustme.CA, tmp_path: Path) -> Callable[..., Settings]:
    """Makes settings from variables; certificates of `ca` are trusted."""
    file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    base = {
        "SUPABASE_URL": "https://x.supabase.co",
        "SUPABASE_SERVICE_KEY": "supabase-key",
        "SSL_CERT_FILE": str(file),
    }
    return lambda **variables: Settings(**{**base, **variables})


@pytest.fixture(name="response")
def _response() -> Callable[..., bytes]:
    return response


@pytest.fixture
def no_waits() -> Iterator[None]:
    """Retries follow at once, as many as the code asks for."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
async def client(settings: Callable[..., Settings], media: Any) -> AsyncIterator[Downloads]:
    """Reaches `media`; every other name leads inside."""

    async def inside(host: str, port: int) -> list[str]:
        return ["10.0.0.1"]

    hosts = f"media.example.com:{media.port}=127.0.0.1"
    found = Downloads(settings(DOWNLOAD_ALLOWED_HOSTS=hosts), inside)
    yield found
    await found.aclose()


@pytest.fixture
def fetch(client: Downloads, tmp_path: Path) -> Callable[..., Any]:
    """Fetches into `tmp_path / "picture"`."""

    async def fetch(url: str, max_bytes: int = _TEN_MIB, **options: Any) -> Downloaded:
        into = tmp_path / "picture"
        return await client.fetch(url, into, max_bytes=max_bytes, accept=Kind.IMAGE, **options)

    return fetch


@pytest.fixture
def jpeg(pictures: dict[str, bytes]) -> bytes:
    return pictures["image/jpeg"]


@dataclass
class Logged:
    lines: list[str] = field(default_factory=list)
    something: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, message: str) -> None:
        self.lines.append(str(message))
        self.something.set()


@pytest.fixture
def logged() -> Iterator[Logged]:
    """What is logged meanwhile."""
    found = Logged()
    sink = logger.add(found, format="{message}")
    yield found
    logger.remove(sink)


@pytest.fixture(scope="session")
def pictures() -> dict[str, bytes]:
    """A real picture of each kind, by content type, each larger than 64 KiB."""

    def encoded(form: str, **options: Any) -> bytes:
        out = BytesIO()
        Image.effect_noise((400, 400), 90).convert("RGB").save(out, form, **options)
        return out.getvalue()

    return {
        "image/jpeg": encoded("JPEG", quality=95),
        "image/png": encoded("PNG"),
        "image/webp": encoded("WEBP", lossless=True),
    }
