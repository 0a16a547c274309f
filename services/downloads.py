"""Guarded, streaming downloads of URLs that came with a job."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import httpcore
import httpx

from config.settings import Settings
from core.errors import PermanentError, RetryableError, UnsafeUrl, UnusableContent
from services.content import Kind, check_complete, content_type_of
from services.google import API_HOST, KEY_HEADER
from services.guard import CheckedUrl, PinnedBackend, Resolver, check_redirect, check_url
from services.http import is_passing_status, new_client, one_line, tls_context

DEFAULT_DEADLINE = timedelta(minutes=2)

_CHUNK_BYTES = 256 * 1024
_MAX_REDIRECTS = 5
_TIMEOUT = httpx.Timeout(30, connect=10)
# A server that sends a byte now and then keeps a job's place for nothing. Its answer has to come
# within this, four addresses tried one after the other included, and each chunk: 9 KB/s.
_ANSWER_S = 60
_CHUNK_S = 30
# Signed URLs cover the host alone, so nothing is sent beyond what every client sends. Some hosts
# refuse a request without a user agent.
_NO_HEADERS: Mapping[str, str] = {}
_LOCATION = "location"
_HEADERS = {"accept-encoding": "identity", "user-agent": "vidfab-worker"}


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A complete file on this machine."""

    path: Path
    size_bytes: int
    content_type: str


@dataclass(frozen=True, slots=True)
class Arriving:
    """A body on its way, of the right kind by its first bytes.

    `content_type` is what the content shows, `served_type` what the server calls it; `size_bytes`
    is None when the server does not say.
    """

    content_type: str
    served_type: str
    size_bytes: int | None
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class _Terms:
    """What one download may be."""

    max_bytes: int
    accept: Kind
    deadline: timedelta
    with_google_key: bool = False


class Downloads:
    """Fetches what the guard lets through. `resolve` stands in for DNS in tests.

    `with_google_key` shows Google's key to Google's host: only for addresses that Google itself
    gave for a clip of ours. With it, any address on that host would be read as the key's owner.

    Raises UnsafeUrl, UnusableContent (wrong kind, too large), PermanentError (4xx) or
    RetryableError (5xx, 408, 409, 425, 429, connection lost, too slow, cut off).
    """

    def __init__(self, settings: Settings, resolve: Resolver | None = None) -> None:
        self._allowed = settings.download_allowed_hosts
        self._google_key = settings.google_key
        self._client = new_client(
            settings,
            service="downloads",
            timeout=_TIMEOUT,
            headers=_HEADERS,
            transport=_pinned_transport(settings, resolve),
        )
        self._client.event_hooks["response"].append(_keep_location)

    def check(self, url: str) -> None:
        """Judge the text of a URL that somebody else will fetch. Raises UnsafeUrl."""
        check_url(url, self._allowed)

    async def fetch(
        self,
        url: str,
        into: Path,
        *,
        max_bytes: int,
        accept: Kind,
        deadline: timedelta = DEFAULT_DEADLINE,
        with_google_key: bool = False,
    ) -> Downloaded:
        """Stream `url` into the file `into`, complete or not at all."""
        terms = _Terms(max_bytes, accept, deadline, with_google_key)
        with _whole_or_nothing(into) as stream:
            content_type = await self._receive(url, stream, terms)
            return Downloaded(into, stream.tell(), content_type)

    async def fetch_bytes(
        self, url: str, *, max_bytes: int, accept: Kind, deadline: timedelta = DEFAULT_DEADLINE
    ) -> tuple[bytes, str]:
        """The content and its type, for what is small enough to be held in memory."""
        stream = BytesIO()
        content_type = await self._receive(url, stream, _Terms(max_bytes, accept, deadline))
        return stream.getvalue(), content_type

    def arriving(
        self,
        url: str,
        *,
        max_bytes: int,
        accept: Kind,
        deadline: timedelta = DEFAULT_DEADLINE,
        with_google_key: bool = False,
    ) -> AbstractAsyncContextManager[Arriving]:
        """The body while it arrives; the chunks raise as `fetch` does, also when it is cut off.

        What the `async with` block does beside reading counts into the deadline.
        """
        return self._arriving(url, _Terms(max_bytes, accept, deadline, with_google_key))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _receive(self, url: str, stream: BinaryIO, terms: _Terms) -> str:
        """Fill the stream and return the content type."""
        async with self._arriving(url, terms) as arriving:
            async for chunk in arriving.chunks:
                # A disk with a full write cache can hold a write for seconds.
                await asyncio.to_thread(stream.write, chunk)
        await asyncio.to_thread(check_complete, stream, arriving.content_type)
        return arriving.content_type

    @asynccontextmanager
    async def _arriving(self, url: str, terms: _Terms) -> AsyncGenerator[Arriving]:
        checked = check_url(url, self._allowed)
        headers = self._google_headers(checked) if terms.with_google_key else _NO_HEADERS
        seconds = terms.deadline.total_seconds()
        try:
            async with asyncio.timeout(seconds), self._opened(checked, headers) as response:
                yield await _begun(response, terms)
        except TimeoutError:
            raise RetryableError(f"Download of {checked} took longer than {seconds:g} s") from None
        except httpx.HTTPError as error:
            reason = one_line(str(error)) or type(error).__name__
            raise RetryableError(f"Download of {checked} failed: {reason}") from error

    @asynccontextmanager
    async def _opened(
        self, url: CheckedUrl, headers: Mapping[str, str]
    ) -> AsyncGenerator[httpx.Response]:
        """The response of 200 at the end of the redirects, each checked anew.

        The headers go to the first host alone: no redirect leads them away.
        """
        for _ in range(_MAX_REDIRECTS + 1):
            async with self._answer(url, headers) as response:
                location: str | None = response.extensions.get(_LOCATION)
                if location is None:
                    _check_answer(response)
                    yield response
                    return
                target = self._redirected(url, location)
            headers = headers if target.host == url.host else _NO_HEADERS
            url = target
        raise PermanentError(f"Download failed: more than {_MAX_REDIRECTS} redirects")

    @asynccontextmanager
    async def _answer(
        self, url: CheckedUrl, headers: Mapping[str, str]
    ) -> AsyncGenerator[httpx.Response]:
        """The response with its body still to come."""
        request = self._client.build_request("GET", url.url, headers=headers)
        async with _in_time(_ANSWER_S, "no answer came"):
            response = await self._client.send(request, stream=True)
        try:
            yield response
        finally:
            await response.aclose()

    def _google_headers(self, url: CheckedUrl) -> Mapping[str, str]:
        if self._google_key is None or url.host != API_HOST:
            return _NO_HEADERS
        return {KEY_HEADER: self._google_key.get_secret_value()}

    def _redirected(self, url: CheckedUrl, location: str) -> CheckedUrl:
        try:
            return check_redirect(url, location, self._allowed)
        except UnsafeUrl as error:
            raise UnsafeUrl(f"redirect from {url.host}: {error}") from error


async def _keep_location(response: httpx.Response) -> None:
    """Put a redirect where httpx does not see it: it would mend the address before it is judged."""
    if response.has_redirect_location:
        response.extensions[_LOCATION] = response.headers.pop("location")


@contextmanager
def _whole_or_nothing(path: Path) -> Generator[BinaryIO]:
    """A new file that is removed again when what fills it fails."""
    try:
        with path.open("w+b") as stream:
            yield stream
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _begun(response: httpx.Response, terms: _Terms) -> Arriving:
    """Read the first chunk, refusing early what is too large or not of the kind.

    A body shorter than its content-length is an httpx.RemoteProtocolError.
    """
    headers = response.headers
    # Beside chunks a length counts for nothing, though some servers send one.
    is_told = "content-length" in headers and "transfer-encoding" not in headers
    length = int(headers["content-length"]) if is_told else None
    _check_size(length or 0, terms.max_bytes)
    # Chunks are of full size but for the last, so the first one holds the whole signature.
    chunks = _flowing(response.aiter_raw(_CHUNK_BYTES))
    first = await anext(chunks, b"")
    if not first:
        raise RetryableError("Download failed: the server sent nothing")
    content_type = content_type_of(first, terms.accept)
    served_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return Arriving(content_type, served_type, length, _bounded(first, chunks, terms.max_bytes))


async def _flowing(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The same chunks; what their reader does between two of them takes no time of theirs."""
    while True:
        async with _in_time(_CHUNK_S, f"less than {_CHUNK_BYTES // 1024} KiB came"):
            chunk = await anext(chunks, b"")
        if not chunk:
            return
        yield chunk


@asynccontextmanager
async def _in_time(seconds: float, complaint: str) -> AsyncGenerator[None]:
    """Raises httpx.ReadTimeout when the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise httpx.ReadTimeout(f"{complaint} within {seconds:g} s") from None


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


def _check_answer(response: httpx.Response) -> None:
    status = response.status_code
    if status != HTTPStatus.OK:
        phrase = httpx.codes.get_reason_phrase(status)
        message = f"Download failed: the server answered {status} {phrase}".rstrip()
        raise RetryableError(message) if is_passing_status(status) else PermanentError(message)
    if response.headers.get("content-encoding", "").strip().lower() not in {"", "identity"}:
        raise UnusableContent("Download failed: the server sent the file compressed, unasked")


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise UnusableContent(f"The file is larger than {max_bytes / 1024 / 1024:g} MiB")


def _pinned_transport(settings: Settings, resolve: Resolver | None) -> httpx.AsyncHTTPTransport:
    tls = tls_context(settings.ca_file)
    transport = httpx.AsyncHTTPTransport(verify=tls, trust_env=False)
    # httpx has no public way to hand over a network backend.
    transport._pool = httpcore.AsyncConnectionPool(  # pyright: ignore[reportPrivateUsage]
        ssl_context=tls,
        max_connections=20,
        max_keepalive_connections=5,
        keepalive_expiry=5,
        network_backend=PinnedBackend(settings.download_allowed_hosts, resolve),
    )
    return transport
