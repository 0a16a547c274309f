"""Around every request: put it on record, hold its answer back, let faults have their way.

The vendor works before the delay: who hangs up meanwhile has bought all the same.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, Literal

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.providers.models import Fault, Outcome, Recorded
from sandbox.providers.network.connections import Connections
from sandbox.providers.state.app_state import AppState
from sandbox.providers.vendors.errors import error_body

_SECRET_HEADERS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "cookie"})
_MAX_TEXT = 2000


class _Ended(Exception):
    """The connection is gone; there is nobody to answer."""


class Middleware:
    """ASGI middleware; `/control` passes by unseen."""

    def __init__(
        self,
        app: ASGIApp,
        state: AppState,
        server: Literal["api", "media"],
        connections: Connections,
    ) -> None:
        self._app = app
        self._state = state
        self._server: Literal["api", "media"] = server
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/control"):
            await self._app(scope, receive, send)
            return
        body = await _body_of(receive)
        path, method = scope["path"], scope["method"]
        record = self._recorded(scope, body)
        fault = self._state.faults.take(method, path, body) or Fault()
        delay_s = self._state.faults.delay_of(path) if fault.delay_s is None else fault.delay_s
        answer = _Answer(scope, receive, send, self._connections, record, fault, delay_s)
        scope["record"] = record
        try:
            await self._run(scope, _replay(body, receive), answer)
        except _Ended:
            return

    async def _run(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        fault = answer.fault
        instead = _instead(scope["path"], fault)
        if fault.accepted and instead is not None:
            await self._app(scope, receive, _swallow)
        if instead is not None:
            await instead(scope, receive, answer.send)
        else:
            await self._app(scope, receive, answer.send)

    def _recorded(self, scope: Scope, body: bytes) -> Recorded:
        return self._state.begin(
            server=self._server,
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=_shown_headers(scope),
            body=_shown_body(body),
        )


@dataclass
class _Answer:
    """One answer on its way out."""

    scope: Scope
    receive: Receive
    out: Send
    connections: Connections
    record: Recorded
    fault: Fault
    delay_s: float
    sent_bytes: int = 0

    async def send(self, message: Message) -> None:
        """In place of the server's own `send`. Raises _Ended."""
        if message["type"] == "http.response.start":
            await self._start(message)
        elif message["type"] == "http.response.body":
            await self._body(message)
        else:
            await self.out(message)

    async def _start(self, message: Message) -> None:
        await self._hold()
        if self.fault.reset:
            self.connections.reset(self.scope)
            await self._end("reset")
        self.record.status = message["status"]
        await self.out({**message, "headers": self._headers(message["headers"])})

    async def _body(self, message: Message) -> None:
        chunk: bytes = message.get("body", b"")
        limit = self.fault.truncate_bytes
        if limit is not None and self.sent_bytes + len(chunk) > limit:
            part = chunk[: limit - self.sent_bytes]
            await self.out({**message, "body": part, "more_body": True})
            self.connections.close(self.scope)
            await self._end("cut")
        self.sent_bytes += len(chunk)
        await self.out(message)
        if not message.get("more_body"):
            self._close_record("answered")

    async def _hold(self) -> None:
        """Wait for the delay to pass, counted from the request's arrival, or the client to go."""
        left_s = self.record.at + self.delay_s - time.time()
        if left_s <= 0:
            return
        leaving = asyncio.ensure_future(_disconnected(self.receive))
        done, _ = await asyncio.wait({leaving}, timeout=left_s)
        leaving.cancel()
        if done:
            await self._end("gone")

    async def _end(self, outcome: Outcome) -> None:
        self._close_record(outcome)
        await _disconnected(self.receive)
        raise _Ended

    def _close_record(self, outcome: Outcome) -> None:
        self.record.outcome = outcome
        self.record.took_s = round(time.time() - self.record.at, 4)

    def _headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        own = {name.lower(): value for name, value in self.fault.headers.items()}
        if self.fault.content_type is not None:
            own["content-type"] = self.fault.content_type
        own.setdefault("x-request-id", f"sandbox-{self.record.number}")
        kept = [(name, value) for name, value in headers if name.decode().lower() not in own]
        return [*kept, *((name.encode(), value.encode()) for name, value in own.items())]


async def _body_of(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once more, for the application; then whatever comes."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again


async def _swallow(message: Message) -> None:
    """Nobody will see this answer."""


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _instead(path: str, fault: Fault) -> Response | None:
    """The fault's own answer; None when the vendor's goes out, delayed or damaged."""
    if fault.status is None and fault.body is None and not fault.reset:
        return None
    status = fault.status or 200
    body = error_body(path, status) if fault.body is None else fault.body
    if isinstance(body, str):
        return Response(body, status, media_type="text/plain")
    return Response(json.dumps(body, ensure_ascii=False), status, media_type="application/json")


def _shown_headers(scope: Scope) -> dict[str, str]:
    pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    return {name: "***" if name in _SECRET_HEADERS else value for name, value in pairs}


def _shown_body(body: bytes) -> Any:
    """JSON as it is, other text shortened."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")[:_MAX_TEXT]
