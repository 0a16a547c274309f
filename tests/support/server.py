"""A server on this machine that answers byte by byte, and keeps what it was sent."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sandbox.processes import PATIENCE_S

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """Answers each path from `answers`, in turn when there are several; keeps what it was sent."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    name: str = "127.0.0.1"
    scheme: str = "http"

    def url(self, target: str) -> str:
        return f"{self.scheme}://{self.name}:{self.port}{target}"

    def on(self, path: str, *answers: Answer) -> str:
        self.answers[path] = list(answers)
        return self.url(path)

    def to(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.target == path]

    async def until(self, path: str, count: int = 1) -> list[Request]:
        """The requests to `path`, once there are so many."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := self.to(path)) < count:
                self.news.clear()
                await self.news.wait()
        return found

    async def hang(self, writer: asyncio.StreamWriter) -> None:
        """An answer that never comes."""
        await self.closing.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            request = await _read(reader)
            self.requests.append(request)
            self.news.set()
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


async def without_end(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """Send `piece` 4,096 times, more than anybody shall read.

    `drain` gives nobody else a turn while the other side takes all, or has gone over TLS.
    """
    for _ in range(4096):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)


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


@asynccontextmanager
async def running(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.closing.set()
        listener.close()
        await listener.wait_closed()
