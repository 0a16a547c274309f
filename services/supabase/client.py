"""Supabase: table queries and object uploads, with our errors, time-outs and retries.

Of the `supabase` package only its two clients for tables and files are loaded, in a thread: 0.1 s
and 10 MiB, half of what the whole package takes with auth and realtime.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import httpx

from config.settings import Settings
from core.alert import AlertSink, no_alerts
from core.errors import ServiceError, UnusableContent
from core.paths import Bucket, StoredObject, stored_object
from services.net.answers import STREAMED
from services.net.circuit import Circuit
from services.net.http import (
    new_client,
    new_transport,
    transport_error,
    with_retries,
)
from services.supabase.refusals import FULL_ADVICE, no_object, refusal, unread_schema

if TYPE_CHECKING:
    from storage3 import AsyncStorageClient

Answer = TypeVar("Answer")
Row = dict[str, Any]

# A row call answers in milliseconds; an upload over a slow line may take minutes.
_ROW_TIMEOUT = httpx.Timeout(15, connect=10)
_FILE_TIMEOUT = httpx.Timeout(120, connect=10)
# Four tries over about 4 s bridge a restart of the gateway; longer outages are the job's retries.
ATTEMPTS = 4
STORAGE = "Supabase storage"
_LISTED = 1000
# Hundreds of jobs that begin at one moment would each have its answer read in one turn of the event
# loop. 32 at once are 270 a second at 120 ms, and a turn of 20 ms.
_ROWS_AT_ONCE = 32
# Jobs that only have rows left to write come every 20 s: the database is found back in a minute.
_PROBE_WITHIN_S = 15
_CHUNK_BYTES = 256 * 1024
# Of the newest response in this task: postgrest's errors lack the HTTP status.
_http_status: ContextVar[int | None] = ContextVar("http_status", default=None)
# Pictures take 15 s, so with httpx's 5 s each batch of them would need new connections; gateways
# close idle ones after 60 s or more. Nothing here is billed, and lost requests are repeated.
_IDLE_S = 55.0


@dataclass(frozen=True, slots=True)
class _Clients:
    """`tables` is postgrest's client, whose builders are typed only in part."""

    tables: Any
    files: "AsyncStorageClient"


class Supabase:
    """One project's tables and storage, with the service key.

    `transport` is the connection pool for both.
    """

    def __init__(self, settings: Settings, notify: AlertSink = no_alerts) -> None:
        self._settings = settings
        self.transport = new_transport(settings, idle_s=_IDLE_S)
        self._row_http = new_client(
            settings, service="Supabase", timeout=_ROW_TIMEOUT, transport=self.transport
        )
        self._file_http = new_client(
            settings, service=STORAGE, timeout=_FILE_TIMEOUT, transport=self.transport
        )
        self._clients: _Clients | None = None
        self._row_circuit = Circuit(
            "Supabase", probe_within_s=_PROBE_WITHIN_S, notify=notify, advice=FULL_ADVICE
        )
        self.file_circuit = Circuit(STORAGE, notify=notify, advice=FULL_ADVICE)
        self._connecting = asyncio.Lock()
        self._row_slots = asyncio.Semaphore(_ROWS_AT_ONCE)

    async def query(self, operation: str, build: Callable[[Any], Awaitable[Any]]) -> list[Row]:
        """Run one idempotent table request and return its rows. Raises ServiceError.

        `build` makes the request for each try: `lambda db: db.from_("x").select().execute()`.
        """
        clients = await self._connected()

        async def once() -> list[Row]:
            try:
                async with self._row_slots:
                    answer = await self._translated(operation, build(clients.tables))
            except ServiceError as error:
                if waiting := unread_schema(error):
                    raise waiting from error
                raise
            return _rows(operation, answer.data)

        return await with_retries(once, attempts=ATTEMPTS, circuit=self._row_circuit)

    async def upload(
        self, bucket: Bucket, path: str, source: Path, *, content_type: str, max_age_s: int
    ) -> str:
        """Store the file `source` at `bucket/path`, replacing any; returns the public URL."""
        clients = await self._connected()
        options: Any = {
            "content-type": content_type,
            "cache-control": str(max_age_s),
            "upsert": "true",
            # A multipart upload has it in the form as well, which not every server reads.
            "headers": {"cache-control": f"max-age={max_age_s}"},
        }

        async def once() -> str:
            files = clients.files.from_(bucket)
            await self._translated(f"upload to {bucket}", files.upload(path, source, options))
            return await self.public_url(bucket, path)

        return await with_retries(once, attempts=ATTEMPTS, circuit=self.file_circuit)

    async def public_url(self, bucket: Bucket, path: str) -> str:
        """The public URL of the object `path`."""
        clients = await self._connected()
        return (await clients.files.from_(bucket).get_public_url(path)).rstrip("?")

    def object_of(self, url: str) -> StoredObject | None:
        """The object that a URL of this project serves, None for any other URL."""
        return stored_object(url, self._settings.supabase_url)

    def serves(self, url: str) -> bool:
        """Whether the URL is of this project's storage, an object or not."""
        return url.startswith(f"{self._settings.supabase_url}/storage/")

    async def remove(self, bucket: Bucket, paths: Sequence[str]) -> set[str]:
        """Remove objects; returns the paths of those that were there. Raises ServiceError."""
        clients = await self._connected()

        async def once() -> set[str]:
            removing = clients.files.from_(bucket).remove(list(paths))
            removed = await self._translated(f"remove from {bucket}", removing)
            return {one["name"] for one in removed}

        return await with_retries(once, attempts=ATTEMPTS, circuit=self.file_circuit)

    async def size_of(self, bucket: Bucket, path: str) -> int | None:
        """The size of an object in bytes, None when there is none. Raises ServiceError."""
        clients = await self._connected()

        async def once() -> int | None:
            try:
                asked = clients.files.from_(bucket).info(path)
                found = await self._translated(f"look into {bucket}", asked)
            except ServiceError as error:
                if error.status == HTTPStatus.NOT_FOUND:
                    return None
                raise
            return _size_in(found)

        return await with_retries(once, attempts=ATTEMPTS, circuit=self.file_circuit)

    async def names_in(self, bucket: Bucket, folder: str) -> list[str]:
        """The names of all objects that lie in a folder, without a slash. Raises ServiceError."""
        clients = await self._connected()
        found: list[str] = []
        while True:
            options: Any = {"limit": _LISTED, "offset": len(found)}

            async def once(options: Any = options) -> list[Any]:
                listing = clients.files.from_(bucket).list(folder, options)
                return await self._translated(f"list {bucket}", listing)

            page = await with_retries(once, attempts=ATTEMPTS, circuit=self.file_circuit)
            found += [one["name"] for one in page]
            if len(page) < _LISTED:
                # Supabase names them within the folder, Supabase Lite by their whole paths.
                names = [name.removeprefix(f"{folder}/") for name in found]
                return [name for name in names if "/" not in name]

    async def download_to(self, bucket: Bucket, path: str, file: Path, *, max_bytes: int) -> None:
        """Stream the object `bucket/path` into `file`.

        Raises NotFound, UnusableContent when it is too large, ServiceError.
        """

        async def once() -> None:
            try:
                await self._receive(bucket, path, file, max_bytes)
            except httpx.HTTPError as error:
                raise transport_error("Supabase", f"read from {bucket}", error) from error

        await with_retries(once, attempts=ATTEMPTS, circuit=self.file_circuit)

    async def load(self) -> None:
        """Import and make the clients; no I/O."""
        await self._connected()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._row_http.aclose()
        await self._file_http.aclose()

    async def _receive(self, bucket: Bucket, path: str, file: Path, max_bytes: int) -> None:
        """Stream the object; the storage client would hold all of it in memory.

        A body shorter than its content-length is an httpx.RemoteProtocolError.
        """
        url = f"{self._settings.supabase_url}/storage/v1/object/{bucket}/{quote(path)}"
        streamed = self._file_http.stream(
            "GET", url, headers=self._credentials(), extensions={STREAMED: True}
        )
        async with streamed as response:
            if response.status_code != HTTPStatus.OK:
                await response.aread()
                raise no_object(bucket, path, response)
            with file.open("wb") as stream:
                async for chunk in response.aiter_raw(_CHUNK_BYTES):
                    if stream.tell() + len(chunk) > max_bytes:
                        limit = f"{max_bytes / 1024 / 1024:g} MiB"
                        raise UnusableContent(f"The stored file is larger than {limit}")
                    # A disk with a full write cache can hold a write for seconds.
                    await asyncio.to_thread(stream.write, chunk)

    def _credentials(self) -> dict[str, str]:
        key = self._settings.supabase_key.get_secret_value()
        return {"apikey": key, "Authorization": f"Bearer {key}"}

    async def _connected(self) -> "_Clients":
        async with self._connecting:
            if self._clients is None:
                self._clients = await self._connect()
        return self._clients

    async def _connect(self) -> "_Clients":
        postgrest = await asyncio.to_thread(importlib.import_module, "postgrest")
        storage3 = await asyncio.to_thread(importlib.import_module, "storage3")
        url = self._settings.supabase_url
        headers = self._credentials()
        tables = postgrest.AsyncPostgrestClient(
            f"{url}/rest/v1", headers=headers, http_client=self._row_http, retry_enabled=False
        )
        tables.session.event_hooks["response"].append(_note_status)
        files = storage3.AsyncStorageClient(
            f"{url}/storage/v1/", headers=headers, http_client=self._file_http
        )
        return _Clients(tables, files)

    async def _translated(self, operation: str, request: Awaitable[Answer]) -> Answer:
        from postgrest.exceptions import APIError
        from storage3.exceptions import StorageApiError

        try:
            return await request
        except APIError as error:
            raise refusal(operation, error.message, error.code, _http_status.get()) from error
        except StorageApiError as error:
            raise refusal(operation, error.message, error.status) from error
        except httpx.HTTPError as error:
            raise transport_error("Supabase", operation, error) from error
        except (ValueError, KeyError) as error:
            raise _unreadable(operation) from error


def _size_in(info: dict[str, Any]) -> int | None:
    """Hosted projects have it at the top, older servers and Lite in the metadata."""
    places: tuple[dict[str, Any], ...] = (info, info.get("metadata") or {})
    return next((size for place in places if isinstance(size := place.get("size"), int)), None)


async def _note_status(response: httpx.Response) -> None:
    _http_status.set(response.status_code)


def _rows(operation: str, data: Any) -> list[Row]:
    """The rows of a response. Raises ServiceError for a proxy's page with status 200."""
    rows: list[Any] = data or []
    if not all(hasattr(row, "items") for row in rows):
        raise _unreadable(operation)
    return list(rows)


def _unreadable(operation: str) -> ServiceError:
    message = f"Supabase gave an answer to '{operation}' that cannot be read"
    return ServiceError("Supabase", operation, message, retryable=True)
