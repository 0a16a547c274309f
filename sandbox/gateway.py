"""What a hosted Supabase has and Supabase Lite lacks: resumable uploads (TUS 1.0), and faults.

All else is passed on to Lite; a finished upload is stored there. Tests may run one in their loop.
"""

import asyncio
import tempfile
from base64 import b64decode
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from uuid import uuid4

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.processes import LOOPBACK, free_port
from sandbox.providers.network.connections import Connections
from sandbox.supabase import BUCKETS, SupabaseLite

CHUNK_BYTES = 6 * 1024 * 1024
RESUMABLE = "/storage/v1/upload/resumable"

_VERSION = {"tus-resumable": "1.0.0"}
_OFFSET_TYPE = "application/offset+octet-stream"
_RESTRICTED = (
    "Service for this project is restricted due to the following violations: exceed_egress_quota. "
    "The project owner must upgrade their plan or remove spend caps to restore service."
)
_STATEMENTS = {"PATCH": "UPDATE", "POST": "INSERT", "PUT": "INSERT", "DELETE": "DELETE"}
# Of one connection, not of the message.
_HOP = frozenset({"host", "connection", "transfer-encoding", "keep-alive", "date", "server"})


@dataclass
class Resumable:
    """One upload. `chunks` are the sizes of the requests that it took."""

    file: Path
    size_bytes: int
    metadata: dict[str, str]
    received_bytes: int = 0
    chunks: list[int] = field(default_factory=list[int])


@dataclass
class Faults:
    """Each is used once but the last two. `breaks`: the offsets at which a PATCH loses its
    connection.
    """

    breaks: list[int] = field(default_factory=list[int])
    answers: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """Statuses instead of doing what was asked: of uploads by method, of all else by
    `METHOD /path`, and of the videos in storage by `object`."""
    lost_ends: int = 0
    """How many uploads take two seconds more and are stored, and the answer to that is lost."""
    idle: dict[str, int] = field(default_factory=dict[str, int])
    """How many changes of a table's rows are answered 200 with `[]`, and nothing is done."""
    is_read_only: bool = False
    """From now on: the disk is nearly full (supabase.com/docs/guides/platform/database-size). What
    PostgreSQL says, PostgREST answers with 405 (PostgREST:src/library/PostgREST/Error.hs)."""
    is_restricted: bool = False
    """From now on: over its quota, a project answers all with 402 (Supabase's discussions 51576 and
    40081; the sentence is as users quote it)."""

    def status_for(self, method: str) -> int | None:
        waiting = self.answers.get(method)
        return waiting.pop(0) if waiting else None

    def refusal(self, request: Request) -> Response | None:
        if self.is_restricted:
            return JSONResponse({"message": _RESTRICTED}, 402)
        statement = _STATEMENTS.get(request.method)
        if self.is_read_only and statement and request.url.path.startswith("/rest/v1/"):
            message = f"cannot execute {statement} in a read-only transaction"
            body = {"code": "25006", "details": None, "hint": None, "message": message}
            return JSONResponse(body, 405)
        return None

    def is_idle(self, request: Request) -> bool:
        table = request.url.path.rpartition("/")[2]
        if request.method not in {"PATCH", "POST"} or not self.idle.get(table):
            return False
        self.idle[table] -= 1
        return True


class Gateway:
    """A Supabase at `url` in front of `supabase`; `seen` holds `METHOD /path` of each request."""

    def __init__(self, supabase: SupabaseLite, *, resumable: bool = True) -> None:
        self.port = free_port()
        self.faults = Faults()
        self.seen: list[str] = []
        self.uploads: dict[str, Resumable] = {}
        self._resumable = resumable
        self._key = supabase.service_key
        self._connections = Connections()
        self._parts = AsyncExitStack()
        self._folder = Path(self._parts.enter_context(tempfile.TemporaryDirectory()))
        self._lite = httpx.AsyncClient(
            base_url=supabase.url, timeout=300, trust_env=False, headers={"accept-encoding": ""}
        )

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def __aenter__(self) -> Self:
        await self._parts.enter_async_context(self._lite)
        config = uvicorn.Config(
            self._app(),
            host=LOOPBACK,
            port=self.port,
            http=self._connections.protocol(),
            ws="none",
            lifespan="off",
            log_level="critical",
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve())
        self._parts.push_async_callback(self._stop, server, serving)
        while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._parts.aclose()

    async def _stop(self, server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
        server.should_exit = True
        self._connections.drop()
        await serving

    def _app(self) -> Starlette:
        methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        everything = Route("/{path:path}", self._pass_on, methods=methods)
        if not self._resumable:
            return Starlette(routes=[everything])
        create = Route(RESUMABLE, self._create, methods=["POST"])
        one = Route(f"{RESUMABLE}/{{id}}", self._one, methods=["HEAD", "PATCH", "DELETE"])
        return Starlette(routes=[create, one, everything])

    # -- resumable uploads ------------------------------------------------------------------

    async def _create(self, request: Request) -> Response:
        self.seen.append(f"POST {RESUMABLE}")
        if (refused := self._refused(request)) is not None:
            return refused
        pairs = (pair.split(" ") for pair in request.headers["upload-metadata"].split(","))
        metadata = {name: b64decode(value).decode() for name, value in pairs}
        if metadata["bucketName"] not in BUCKETS:
            return Response("The parent resource does not exist", 404, _VERSION)
        number = uuid4().hex
        file = self._folder / number
        file.touch()
        size = int(request.headers["upload-length"])
        self.uploads[number] = Resumable(file, size, metadata)
        # A hosted project may call itself by its inner name.
        location = f"http://storage.inside.example{RESUMABLE}/{number}"
        return Response(status_code=201, headers={**_VERSION, "location": location})

    async def _one(self, request: Request) -> Response:
        self.seen.append(f"{request.method} {RESUMABLE}/")
        if (refused := self._refused(request)) is not None:
            return refused
        upload = self.uploads.get(request.path_params["id"])
        if upload is None:
            return Response("The file for this url was not found", 404, _VERSION)
        if request.method == "PATCH":
            return await self._patch(request, upload)
        if request.method == "DELETE":
            return self._remove(upload)
        return Response(status_code=200, headers=_offset(upload))

    def _remove(self, upload: Resumable) -> Response:
        # As hosted: `disableTerminationForFinishedUploads` (supabase/storage:src/http/routes/tus).
        if upload.received_bytes == upload.size_bytes:
            return Response("Cannot terminate an already completed upload", 400, _VERSION)
        self.uploads = {number: one for number, one in self.uploads.items() if one is not upload}
        upload.file.unlink()
        return Response(status_code=204, headers=_VERSION)

    async def _patch(self, request: Request, upload: Resumable) -> Response:
        begin, size = (int(request.headers[name]) for name in ("upload-offset", "content-length"))
        if request.headers["content-type"] != _OFFSET_TYPE:
            return Response("Invalid Content-Type", 415, _VERSION)
        if begin != upload.received_bytes:
            return Response("Upload-Offset conflict", 409, _VERSION)
        if size != min(CHUNK_BYTES, upload.size_bytes - begin):
            return Response("A chunk must be 6 MiB", 400, _VERSION)
        upload.chunks.append(size)
        if not await self._append(request, upload):
            return Response(status_code=500)  # goes nowhere
        if upload.received_bytes == upload.size_bytes and not await self._end(request, upload):
            return Response(status_code=500)  # goes nowhere
        return Response(status_code=204, headers=_offset(upload))

    async def _append(self, request: Request, upload: Resumable) -> bool:
        """Keep what arrives; False when the connection broke."""
        with upload.file.open("ab") as stream:
            async for piece in request.stream():
                stream.write(piece)
                upload.received_bytes += len(piece)
                if self.faults.breaks and upload.received_bytes >= self.faults.breaks[0]:
                    del self.faults.breaks[0]
                    self._connections.reset(request.scope)
                    return False
        return True

    async def _end(self, request: Request, upload: Resumable) -> bool:
        """Store the object; False when the connection broke after that."""
        is_lost = self.faults.lost_ends > 0
        if is_lost:
            self.faults.lost_ends -= 1
            await asyncio.sleep(2)
        await self._finish(request, upload)
        if is_lost:
            self._connections.reset(request.scope)
        return not is_lost

    async def _finish(self, request: Request, upload: Resumable) -> None:
        data = upload.metadata
        headers = {
            "apikey": self._key,
            "content-type": data["contentType"],
            "content-length": str(upload.size_bytes),
            "cache-control": f"max-age={data['cacheControl']}",
            "x-upsert": request.headers.get("x-upsert", "false"),
        }
        path = f"/storage/v1/object/{data['bucketName']}/{data['objectName']}"
        answer = await self._lite.post(path, content=_read(upload.file), headers=headers)
        answer.raise_for_status()

    def _refused(self, request: Request) -> Response | None:
        status = self.faults.status_for(request.method)
        if status is not None:
            return Response(f"fault {status}", status, _VERSION)
        if (refused := self.faults.refusal(request)) is not None:
            return refused
        if request.headers.get("tus-resumable") != "1.0.0":
            return Response("Tus-Resumable required", 412, _VERSION)
        if request.headers.get("apikey") != self._key:
            return Response("Unauthorized", 401, _VERSION)
        return None

    # -- all else ---------------------------------------------------------------------------

    async def _pass_on(self, request: Request) -> Response:
        self.seen.append(f"{request.method} {request.url.path}")
        is_object = request.url.path.startswith("/storage/v1/object/user-videos/")
        status = self.faults.status_for("object" if is_object else self.seen[-1])
        if status is not None:
            return Response(f"fault {status}", status)
        if (refused := self.faults.refusal(request)) is not None:
            return refused
        if self.faults.is_idle(request):
            return JSONResponse([])
        target = f"{request.url.path}?{request.url.query}".removesuffix("?")
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        has_body = not {"content-length", "transfer-encoding"}.isdisjoint(request.headers.keys())
        body = request.stream() if has_body else None
        sent = self._lite.build_request(request.method, target, headers=headers, content=body)
        answer = await self._lite.send(sent, stream=True)
        kept = {name: value for name, value in answer.headers.items() if name not in _HOP}
        return StreamingResponse(_relayed(answer), answer.status_code, kept)


class _Server(uvicorn.Server):
    """Leaves signals to the process that it is part of."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _offset(upload: Resumable) -> dict[str, str]:
    size = {"upload-length": str(upload.size_bytes), "upload-offset": str(upload.received_bytes)}
    return {**_VERSION, **size, "cache-control": "no-store"}


async def _read(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as stream:
        while piece := await asyncio.to_thread(stream.read, 1024 * 1024):
            yield piece


async def _relayed(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()
