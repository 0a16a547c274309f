"""Guarded, streaming downloads of URLs that came with a job."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping
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
from core.errors import PermanentError, TransientError, UnsafeUrl, UnusableContent
from core.people import Cause
from services.net.answers import STREAMED
from services.net.content import Kind, check_complete
from services.net.google_api import API_HOST, KEY_HEADER
from services.net.guard import CheckedUrl, PinnedBackend, Resolver, check_redirect, check_url
from services.net.http import (
    connections_of,
    is_transient_status,
    new_client,
    one_line,
    tls_context,
)
from services.net.pools import pooled
from services.net.streaming_body import StreamingBody, open_body, with_deadline

DEFAULT_DEADLINE = timedelta(minutes=2)

_MAX_REDIRECTS = 5
_TIMEOUT = httpx.Timeout(30, connect=10)
# A server that drips bytes would occupy a job's slot. Its response has to come within this, which
# includes up to four connection attempts, one address after the other.
_ANSWER_S = 60
# Response extension that holds a redirect's target.
_LOCATION = "location"
# Signed URLs cover the host alone, so nothing is sent beyond what every client sends. Some hosts
# refuse a request without a user agent.
_NO_HEADERS: Mapping[str, str] = {}
_HEADERS = {"user-agent": "vidfab-worker"}


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A complete file on this machine."""

    path: Path
    size_bytes: int
    content_type: str


@dataclass(frozen=True, slots=True)
class _Terms:
    """Limits of one download."""

    max_bytes: int
    accept: Kind
    deadline: timedelta
    with_google_key: bool = False


class Downloads:
    """Fetches URLs that the guard allows. `resolve` replaces DNS in tests.

    `with_google_key` sends Google's key to Google's host. Only for URLs that Google itself returned
    for one of our clips: the key gives access to anything on that host.

    Raises UnsafeUrl, UnusableContent (wrong kind, too large), PermanentError (4xx) or
    TransientError (5xx, 408, 409, 425, 429, connection lost, too slow, cut off).
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
        """Check the text of a URL that a third party will fetch. Raises UnsafeUrl."""
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

    def stream(
        self,
        url: str,
        *,
        max_bytes: int,
        accept: Kind,
        deadline: timedelta = DEFAULT_DEADLINE,
        with_google_key: bool = False,
    ) -> AbstractAsyncContextManager[StreamingBody]:
        """The body as a stream; its chunks raise what `fetch` raises, also when it is cut off.

        All that the `async with` block does counts towards the deadline.
        """
        return self._stream(url, _Terms(max_bytes, accept, deadline, with_google_key))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _receive(self, url: str, stream: BinaryIO, terms: _Terms) -> str:
        """Fill the stream and return the content type."""
        async with self._stream(url, terms) as body:
            async for chunk in body.chunks:
                # A disk with a full write cache can hold a write for seconds.
                await asyncio.to_thread(stream.write, chunk)
        await asyncio.to_thread(check_complete, stream, body.content_type)
        return body.content_type

    @asynccontextmanager
    async def _stream(self, url: str, terms: _Terms) -> AsyncGenerator[StreamingBody]:
        checked = check_url(url, self._allowed)
        headers = self._google_headers(checked) if terms.with_google_key else _NO_HEADERS
        seconds = terms.deadline.total_seconds()
        try:
            async with asyncio.timeout(seconds), self._opened(checked, headers) as response:
                yield await open_body(response, terms.max_bytes, terms.accept)
        except TimeoutError:
            found = f"Download of {checked} took longer than {seconds:g} s"
            raise TransientError(found, cause=Cause.TOO_LONG) from None
        except httpx.HTTPError as error:
            reason = one_line(str(error)) or type(error).__name__
            found = f"Download of {checked} failed: {reason}"
            raise TransientError(found, cause=Cause.NOT_FETCHED) from error

    @asynccontextmanager
    async def _opened(
        self, url: CheckedUrl, headers: Mapping[str, str]
    ) -> AsyncGenerator[httpx.Response]:
        """The response of 200 at the end of the redirects, each of which is checked.

        `headers` are sent to the first host only, never to a redirect's target.
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
        found = f"Download failed: more than {_MAX_REDIRECTS} redirects"
        raise PermanentError(found, cause=Cause.UNUSABLE)

    @asynccontextmanager
    async def _answer(
        self, url: CheckedUrl, headers: Mapping[str, str]
    ) -> AsyncGenerator[httpx.Response]:
        """The response before its body is read."""
        request = self._client.build_request(
            "GET", url.url, headers=headers, extensions={STREAMED: True}
        )
        async with with_deadline(_ANSWER_S, "no answer came"):
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
    """Hide a redirect from httpx, which would normalise the address before it is checked."""
    if response.has_redirect_location:
        response.extensions[_LOCATION] = response.headers.pop("location")


@contextmanager
def _whole_or_nothing(path: Path) -> Generator[BinaryIO]:
    """A new file, which is removed when the block fails."""
    try:
        with path.open("w+b") as stream:
            yield stream
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _check_answer(response: httpx.Response) -> None:
    status = response.status_code
    if status != HTTPStatus.OK:
        phrase = httpx.codes.get_reason_phrase(status)
        message = f"Download failed: the server answered {status} {phrase}".rstrip()
        if is_transient_status(status):
            raise TransientError(message, cause=Cause.NOT_FETCHED)
        raise PermanentError(message, cause=Cause.GONE)
    if response.headers.get("content-encoding", "").strip().lower() not in {"", "identity"}:
        raise UnusableContent("Download failed: the server sent the file compressed")


def _pinned_transport(settings: Settings, resolve: Resolver | None) -> httpx.AsyncBaseTransport:
    tls = tls_context(settings.ca_file)

    def pool(places: int) -> httpx.AsyncBaseTransport:
        transport = httpx.AsyncHTTPTransport(verify=tls, trust_env=False)
        # httpx has no public way to hand over a network backend.
        transport._pool = httpcore.AsyncConnectionPool(  # pyright: ignore[reportPrivateUsage]
            ssl_context=tls,
            max_connections=places,
            max_keepalive_connections=5,
            keepalive_expiry=5,
            network_backend=PinnedBackend(settings.download_allowed_hosts, resolve),
        )
        return transport

    return pooled(pool, connections_of(settings))
