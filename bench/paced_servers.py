"""`python -m bench.paced_servers CERTIFICATE FILE RATE SUPABASE_PORT READY`: a source and a sink.

The source sends FILE to any GET, by TLS, and the sink is a Supabase whose storage takes resumable
uploads to nowhere; what else it is asked goes to Supabase Lite. Each passes RATE bytes a second in
all, so that the worker between them is what differs. A thread for each connection, no framework:
they must cost the machine little. They end by a signal.
"""

import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from sandbox.gateway import RESUMABLE
from sandbox.processes import LOOPBACK

_PIECE_BYTES = 256 * 1024
_TUS = {"tus-resumable": "1.0.0"}


class Pace:
    """So many bytes a second, of all that ask; who is late catches up for a tenth of a second."""

    def __init__(self, bytes_a_second: float) -> None:
        self._rate = bytes_a_second
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, number: int) -> None:
        """Wait until so many may pass."""
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now - 0.1) + number / self._rate
            wait_s = self._free_at - now
        if wait_s > 0:
            time.sleep(wait_s)


@dataclass(frozen=True, slots=True)
class Request:
    """The head of one; `text` is all of it, names of `headers` are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    text: bytes

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", "0"))


def read_head(stream: BinaryIO) -> Request | None:
    """The next request; None at the connection's end."""
    lines: list[bytes] = []
    while (line := stream.readline()) not in {b"", b"\r\n"}:
        lines.append(line)
    if not lines:
        return None
    method, path, _ = lines[0].decode("latin-1").split(" ", 2)
    pairs = (line.decode("latin-1").split(":", 1) for line in lines[1:])
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    return Request(method, path, headers, b"".join(lines))


def head(status: str, headers: Mapping[str, object]) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@dataclass(frozen=True)
class Source:
    """Sends the file."""

    file: Path
    pace: Pace

    def serve(self, connection: socket.socket) -> None:
        requests = connection.makefile("rb")
        while read_head(requests) is not None:
            size = self.file.stat().st_size
            kind = {"content-type": "video/mp4", "content-length": size}
            connection.sendall(head("200 OK", kind))
            with self.file.open("rb") as stream:
                while piece := stream.read(_PIECE_BYTES):
                    self.pace.wait(len(piece))
                    connection.sendall(piece)


@dataclass
class Sink:
    """Takes uploads, the worker's by chunks and any PUT; passes all else on."""

    pace: Pace
    supabase_port: int
    uploads: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """Offset and size, by path."""

    def serve(self, connection: socket.socket) -> None:
        requests = connection.makefile("rb")
        while (request := read_head(requests)) is not None:
            if request.path.startswith(RESUMABLE):
                connection.sendall(self._resumable(request, requests))
            elif request.method == "PUT":
                self._discard_chunks(requests)
                connection.sendall(head("200 OK", {"content-length": 0}))
            else:
                self._pass_on(request, requests, connection)
                return

    def _resumable(self, request: Request, body: BinaryIO) -> bytes:
        if request.method == "POST":
            path = f"{RESUMABLE}/{uuid4().hex}"
            self.uploads[path] = [0, int(request.headers["upload-length"])]
            return head("201 Created", {**_TUS, "location": path, "content-length": 0})
        upload = self.uploads[request.path]
        if request.method == "PATCH":
            if int(request.headers["upload-offset"]) != upload[0]:
                return head("409 Conflict", {**_TUS, "content-length": 0, "connection": "close"})
            self._discard(body, request.length)
            upload[0] += request.length
        offset, size = upload
        told = {**_TUS, "upload-offset": offset, "upload-length": size, "content-length": 0}
        return head("200 OK" if request.method == "HEAD" else "204 No Content", told)

    def _discard(self, body: BinaryIO, left: int) -> None:
        while left:
            piece = body.read(min(left, _PIECE_BYTES))
            if not piece:
                raise ConnectionError("The body ended before its length")
            self.pace.wait(len(piece))
            left -= len(piece)

    def _discard_chunks(self, body: BinaryIO) -> None:
        while size := int(body.readline(), 16):
            self._discard(body, size)
            body.readline()
        body.readline()

    def _pass_on(self, request: Request, body: BinaryIO, client: socket.socket) -> None:
        """One request a connection."""
        lines = request.text.split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith(b"connection:")]
        text = b"\r\n".join([kept[0], b"connection: close", *kept[1:]])
        with socket.create_connection((LOOPBACK, self.supabase_port)) as behind:
            behind.sendall(text + b"\r\n" + body.read(request.length))
            while piece := behind.recv(_PIECE_BYTES):
                client.sendall(piece)


def listen(serve: Callable[[socket.socket], None], tls: ssl.SSLContext | None) -> int:
    """Serve at a port of its own, which is returned."""
    listener = socket.create_server((LOOPBACK, 0), backlog=64)

    def one(connection: socket.socket) -> None:
        try:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection:
                serve(connection)
        except OSError:
            return  # the client has gone, and says so itself

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=one, args=[connection], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])


def main() -> None:
    certificate, file, rate, supabase_port, ready = sys.argv[1:]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    source = Source(Path(file), Pace(float(rate)))
    sink = Sink(Pace(float(rate)), int(supabase_port))
    ports = {"source": listen(source.serve, tls), "sink": listen(sink.serve, None)}
    whole = Path(f"{ready}.new")
    whole.write_text(json.dumps(ports), "ascii")
    whole.rename(ready)
    threading.Event().wait()


if __name__ == "__main__":
    main()
