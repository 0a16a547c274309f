"""Settings, waits that take no time, and a server on this machine that answers byte by byte."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
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

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]


@dataclass
class Server:
    """Answers each path from `answers`, in turn when there are several; keeps what it was sent."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    name: str = "127.0.0.1"
    scheme: str = "http"

    def url(self, target: str) -> str:
        return f"{self.scheme}://{self.name}:{self.port}{target}"

    def on(self, path: str, *answers: Answer) -> str:
        self.answers[path] = list(answers)
        return self.url(path)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            request = await _read(reader)
            self.requests.append(request)
            answer = self._next(request.target.partition("?")[0])
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    def _next(self, path: str) -> Answer:
        answers = self.answers.get(path)
        if not answers:
            return response(b"nothing here", status="404 Not Found")
        return answers.pop(0) if len(answers) > 1 else answers[0]


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.split("\r\n")
    pairs = (entry.partition(":") for entry in rest if entry)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(line, headers, body)


def response(
    body: bytes, *, status: str = "200 OK", length: int | None = -1, **headers: str
) -> bytes:
    """One whole answer. `length` -1: the true content-length, None: none at all."""
    lines = [f"HTTP/1.1 {status}", "connection: close"]
    if length is not None:
        lines.append(f"content-length: {len(body) if length == -1 else length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _running(server: Server, tls: ssl.SSLContext | None) -> AsyncIterator[Server]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    yield server
    server.closing.set()
    listener.close()
    await listener.wait_closed()


@pytest.fixture
async def provider() -> AsyncIterator[Server]:
    """A server for plain HTTP."""
    async for server in _running(Server(), None):
        yield server


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def media(ca: trustme.CA) -> AsyncIterator[Server]:
    """A server for https, called media.example.com and by the name of Google's API."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("media.example.com", "generativelanguage.googleapis.com").configure_cert(tls)
    async for server in _running(Server(name="media.example.com", scheme="https"), tls):
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
