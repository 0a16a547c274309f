"""Limits on responses: text in UTF-8, of a bounded size, compressed or not.

Responses are read into memory, which a broken or foreign server could exhaust: 300 KB of gzip can
hold gigabytes. The charset that a response names is ignored: some of Python's codecs (punycode)
take minutes for one packet.
"""

import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import httpx

# The largest legitimate responses, 1000 rows or a render with its timeline, take some 200 KB.
MAX_ANSWER_BYTES = 4 * 1024 * 1024
# Vendors' error bodies take 2 KB.
_MAX_ERROR_BYTES = 64 * 1024
# Request extension: the caller streams the response and enforces its own limit.
STREAMED = "streamed"

_PLAIN = frozenset({"", "identity"})
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
# Reads the heads of gzip and of zlib, which is HTTP's `deflate`.
_EITHER_HEAD = zlib.MAX_WBITS | 32
_PIECE_BYTES = 64 * 1024


class UnusableAnswer(httpx.TransportError):
    """The server responded unusably; the message completes "{service} gave an answer that …"."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """Limits of one response; what exceeds them raises, or is truncated."""

    max_bytes: int
    is_cut_off: bool


class BoundedTransport(httpx.AsyncBaseTransport):
    """Wraps `transport`; reading a response above `max_bytes` raises UnusableAnswer.

    A response with an error status is truncated instead: its status is enough.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, max_bytes: int) -> None:
        self._transport = transport
        self._max_bytes = max_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response before its body is read."""
        response = await self._transport.handle_async_request(request)
        response.encoding = "utf-8"
        is_counted = STREAMED in request.extensions and response.is_success
        if is_counted or not isinstance(response.stream, httpx.AsyncByteStream):
            return response
        encoding = response.headers.pop("content-encoding", "").strip().lower()
        response.stream = _Bounded(response.stream, encoding, self._terms(response))
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def _terms(self, response: httpx.Response) -> _Terms:
        if response.is_error:
            return _Terms(_MAX_ERROR_BYTES, is_cut_off=True)
        return _Terms(self._max_bytes, is_cut_off=False)


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, encoding: str, terms: _Terms) -> None:
        self._stream = stream
        self._encoding = encoding
        self._terms = terms

    def __aiter__(self) -> AsyncIterator[bytes]:
        wire = _counted(aiter(self._stream), self._terms)
        if self._encoding in _PLAIN:
            return wire
        # Not requested, yet some servers behind a CDN compress anyway.
        return _counted(_unpacked(wire, self._encoding, self._terms), self._terms)

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _counted(pieces: AsyncIterator[bytes], terms: _Terms) -> AsyncGenerator[bytes]:
    left = terms.max_bytes
    async for piece in pieces:
        if len(piece) > left and not terms.is_cut_off:
            raise UnusableAnswer(f"is larger than {terms.max_bytes >> 20} MiB")
        yield piece[:left]
        left -= len(piece)
        if left < 0:
            return


async def _unpacked(
    wire: AsyncIterator[bytes], encoding: str, terms: _Terms
) -> AsyncGenerator[bytes]:
    """Pieces of bounded size, however much one received piece expands to."""
    unpacker = zlib.decompressobj(_EITHER_HEAD)
    is_empty = True
    async for packed in wire:
        is_empty = False
        if encoding not in _COMPRESSED:
            break
        try:
            while packed and not unpacker.eof:
                yield unpacker.decompress(packed, _PIECE_BYTES)
                packed = unpacker.unconsumed_tail
        except zlib.error:
            break
    if not (is_empty or unpacker.eof or terms.is_cut_off):
        raise UnusableAnswer("is compressed, without being requested so, and cannot be unpacked")
