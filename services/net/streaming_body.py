"""The body of a download as a stream: of the right kind, not too large and not too slow."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO

import httpx

from core.errors import TransientError, UnusableContent
from core.people import Cause
from services.net.content import Kind, content_type_of

_CHUNK_BYTES = 1024 * 1024
# The lowest rate that is accepted is 9 KB/s: a server that drips would occupy a job's slot. A
# download with a shorter deadline ends by that.
_CHUNK_S = 120


@dataclass(frozen=True, slots=True)
class StreamingBody:
    """A body that is being received, of the right kind by its first bytes.

    `content_type` is what the content shows, `served_type` what the server calls it; `size_bytes`
    is None when the server does not say.
    """

    content_type: str
    served_type: str
    size_bytes: int | None
    chunks: AsyncIterator[bytes]


async def open_body(response: httpx.Response, max_bytes: int, accept: Kind) -> StreamingBody:
    """Read the first chunk, refusing early what is too large or not of the kind.

    A body shorter than its content-length is an httpx.RemoteProtocolError.
    """
    headers = response.headers
    # With chunked encoding a content-length is ignored, though some servers send one.
    has_length = "content-length" in headers and "transfer-encoding" not in headers
    length = int(headers["content-length"]) if has_length else None
    _check_size(length or 0, max_bytes)
    # Chunks are of full size but for the last, so the first one holds the whole signature.
    chunks = _without_stalls(_rechunked(response.aiter_raw()))
    first = await anext(chunks, b"")
    if not first:
        raise TransientError("Download failed: the server sent nothing", cause=Cause.NOT_FETCHED)
    content_type = content_type_of(first, accept)
    served_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return StreamingBody(content_type, served_type, length, _bounded(first, chunks, max_bytes))


async def _rechunked(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Chunks of at least the full size, except the last. httpx's own copy a body three times."""
    gathered = BytesIO()
    async for piece in pieces:
        gathered.write(piece)
        if gathered.tell() >= _CHUNK_BYTES:
            yield gathered.getvalue()
            gathered = BytesIO()
    if rest := gathered.getvalue():
        yield rest


async def _without_stalls(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The same chunks, each with a time-out that excludes what the reader does in between."""
    while True:
        async with with_deadline(_CHUNK_S, f"less than {_CHUNK_BYTES // 1024} KiB came"):
            chunk = await anext(chunks, b"")
        if not chunk:
            return
        yield chunk


@asynccontextmanager
async def with_deadline(seconds: float, reason: str) -> AsyncGenerator[None]:
    """Raises httpx.ReadTimeout when the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise httpx.ReadTimeout(f"{reason} within {seconds:g} s") from None


async def _bounded(
    first: bytes, rest: AsyncIterator[bytes], max_bytes: int
) -> AsyncGenerator[bytes]:
    size = len(first)
    _check_size(size, max_bytes)
    yield first
    async for chunk in rest:
        size += len(chunk)
        _check_size(size, max_bytes)
        yield chunk


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise UnusableContent(f"The file is larger than {max_bytes / 1024 / 1024:g} MiB")
