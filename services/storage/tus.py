"""Resumable uploads to Supabase storage: TUS 1.0, in chunks of 6 MiB.

A broken connection costs one chunk: the server reports its offset, and the upload resumes there.
When only the answer to the last chunk is lost, the object itself tells whether it was stored. An
upload that is given up is removed, so that the server keeps no chunks of it.
"""

import time
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from core.errors import ServiceError
from services.net.circuit import Circuit
from services.net.http import with_retries
from services.storage.info import info_of
from services.storage.objects import OPERATION, RESUMABLE_ABOVE_BYTES, answer, checked, exchange
from services.storage.removals import Removals
from services.storage.spool import Upload
from services.supabase.client import ATTEMPTS

# Supabase takes chunks of exactly this size, except the last.
CHUNK_BYTES = 6 * 1024 * 1024

# Each request names the upsert: any of them may be the one that stores the object.
_HEADERS = {"tus-resumable": "1.0.0", "x-upsert": "true"}
_NO_SUCH_METHOD = frozenset({405, 501})
# Not for ever: a proxy may answer so briefly, and the server may be upgraded.
_NOT_OFFERED_FOR_S = 600
# The server forgot the upload: it expired, or was lost in a restart.
_GONE = frozenset({404, 410})
_BEGINNINGS = 2
# The header `Date` has whole seconds: what was written in the same one may be older.
_CLOCK_STEP = timedelta(seconds=1)


class _Lost(ServiceError):
    """The upload cannot be resumed; a new one can be started."""


class _Unconfirmed(_Lost):
    """All bytes arrived, and the answer that said whether the object was stored is lost."""


class _NotOffered(ServiceError):
    """The server has no resumable uploads."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """An upload, made `at` by the server's own clock; None when it does not say."""

    location: httpx.URL
    at: datetime | None


class Tus:
    """Resumable uploads to one Supabase. If it has none, that is remembered for 10 minutes.

    `now` in seconds, for tests.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        circuit: Circuit,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._circuit = circuit
        self._now = now
        self._not_offered_until = float("-inf")
        self._removals = Removals(client, circuit, _HEADERS)

    def suits(self, upload: Upload) -> bool:
        """Whether the file is large enough, and the server is not known to lack such uploads."""
        is_offered = self._now() >= self._not_offered_until
        return is_offered and upload.size_bytes > RESUMABLE_ABOVE_BYTES

    async def send(self, upload: Upload) -> bool:
        """Store the file; False, and nothing sent, where the server has no resumable uploads."""
        for beginning in range(1, _BEGINNINGS + 1):
            begun = await self._begin(upload)
            if begun is None:
                return False
            try:
                await self._finish(upload, begun)
                break
            except _Lost as error:
                if beginning == _BEGINNINGS:
                    raise ServiceError("Supabase", OPERATION, str(error), retryable=True) from error
        return True

    async def aclose(self) -> None:
        """End what still goes on about uploads that were given up."""
        await self._removals.aclose()

    async def _begin(self, upload: Upload) -> _Begun | None:
        """The new upload, None where there are none."""
        try:
            return await with_retries(
                lambda: self._create(upload), attempts=ATTEMPTS, circuit=self._circuit
            )
        except _NotOffered:
            self._not_offered_until = self._now() + _NOT_OFFERED_FOR_S
            return None

    async def _create(self, upload: Upload) -> _Begun:
        size = {"upload-length": str(upload.size_bytes), "upload-metadata": _metadata(upload)}
        response = await answer(
            self._client, "POST", "/upload/resumable", headers={**_HEADERS, **size}
        )
        if _is_not_offered(response):
            raise _NotOffered("Supabase", OPERATION, "It has no resumable uploads")
        sent_to = checked(response).request.url
        # Only the path is used: the key must not go to another host, whatever the server names.
        path = sent_to.join(response.headers.get("location", "")).raw_path
        return _Begun(sent_to.copy_with(raw_path=path), _date_of(response))

    async def _finish(self, upload: Upload, begun: _Begun) -> None:
        """Send all chunks, or have the upload removed. Raises _Lost: nothing is there any more."""
        try:
            await self._send_chunks(upload, begun.location)
        except _Unconfirmed:
            if not await self._is_stored(upload, begun):
                raise
        except _Lost:
            raise
        except BaseException:
            self._removals.begin(begun.location)
            raise

    async def _is_stored(self, upload: Upload, begun: _Begun) -> bool:
        """Whether the object is this upload's: of its size, and written since it began."""
        try:
            info = await with_retries(
                lambda: info_of(self._client, upload.bucket, upload.path),
                attempts=ATTEMPTS,
                circuit=self._circuit,
            )
        except ServiceError:
            return False  # all is sent again, which shows what the matter is
        if info is None or begun.at is None or info.size_bytes != upload.size_bytes:
            return False
        return info.written_at >= begun.at + _CLOCK_STEP

    async def _send_chunks(self, upload: Upload, location: httpx.URL) -> None:
        offset = 0
        while offset < upload.size_bytes:
            # The server may time out a request whose body does not follow.
            await upload.spool.arrived(min(offset + CHUNK_BYTES, upload.size_bytes))
            offset = await self._send_chunk(upload, location, offset)

    async def _send_chunk(self, upload: Upload, location: httpx.URL, begin: int) -> int:
        """The offset after one chunk, which is resumed after a broken connection."""
        is_known = True

        async def once() -> int:
            nonlocal is_known
            offset = begin if is_known else await self._offset(location)
            is_known = False
            return await self._patch(upload, location, offset)

        return await with_retries(once, attempts=ATTEMPTS, circuit=self._circuit)

    async def _patch(self, upload: Upload, location: httpx.URL, begin: int) -> int:
        end = min(begin + CHUNK_BYTES, upload.size_bytes)
        if begin == end:
            raise _Unconfirmed("Supabase", OPERATION, "The end of the upload was not confirmed")
        chunk = {
            "upload-offset": str(begin),
            "content-type": "application/offset+octet-stream",
            "content-length": str(end - begin),
        }
        response = await self._request("PATCH", location, chunk, upload.body(begin, end))
        offset = _offset_of(response)
        if not begin < offset <= upload.size_bytes:
            raise _misunderstood(f"is at {offset} after {begin} to {end} were sent")
        return offset

    async def _offset(self, location: httpx.URL) -> int:
        return _offset_of(await self._request("HEAD", location, {}))

    async def _request(
        self,
        method: str,
        location: httpx.URL,
        headers: Mapping[str, str],
        content: AsyncGenerator[bytes] | None = None,
    ) -> httpx.Response:
        try:
            return await exchange(
                self._client, method, location, headers={**_HEADERS, **headers}, content=content
            )
        except ServiceError as error:
            if error.status in _GONE:
                raise _Lost("Supabase", OPERATION, str(error)) from error
            raise


def _is_not_offered(response: httpx.Response) -> bool:
    """A server that has the protocol answers 404 for a missing bucket, but with its header."""
    is_unknown = response.status_code == httpx.codes.NOT_FOUND.value
    is_foreign = is_unknown and "tus-resumable" not in response.headers
    return is_foreign or response.status_code in _NO_SUCH_METHOD


def _metadata(upload: Upload) -> str:
    values = {
        "bucketName": upload.bucket,
        "objectName": upload.path,
        "contentType": upload.content_type,
        "cacheControl": str(upload.max_age_s),
    }
    return ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in values.items())


def _date_of(response: httpx.Response) -> datetime | None:
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _offset_of(response: httpx.Response) -> int:
    text = response.headers.get("upload-offset", "")
    if not text.isdecimal():
        raise _misunderstood("reports no offset")
    return int(text)


def _misunderstood(what: str) -> ServiceError:
    return ServiceError("Supabase", OPERATION, f"The upload to Supabase {what}", retryable=True)
