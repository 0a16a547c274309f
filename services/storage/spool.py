"""A file that is read while it is still being written."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from core.paths import Bucket

# Large enough for few system calls, small enough for little memory.
_PIECE_BYTES = 1024 * 1024


class Spool:
    """The growing file `path`. On disk, since memory is scarce.

    `size_bytes` is what the source announced, or None until it ended. The last byte is readable
    only after `finish`, so whoever reads to the end has a complete file.
    """

    def __init__(self, path: Path, stream: BinaryIO, size_bytes: int | None) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self.received_bytes = 0
        self._stream = stream
        self.finished = False
        self._changed = asyncio.Condition()

    async def write(self, chunk: bytes) -> None:
        """Append."""
        await asyncio.to_thread(_append, self._stream, chunk)
        await self._grow(self.received_bytes + len(chunk))

    async def finish(self) -> None:
        """Mark the file as complete."""
        self.finished = True
        await self._grow(self.received_bytes)

    async def known_size(self) -> int:
        """Wait until the whole size is known."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.size_bytes is not None or self.finished)
        return self.received_bytes if self.size_bytes is None else self.size_bytes

    async def arrived(self, up_to: int) -> None:
        """Wait until the bytes before `up_to` are readable; the last one is after `finish`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.finished or self._holds(up_to))

    async def pieces(self, begin: int, end: int) -> AsyncGenerator[bytes]:
        """The bytes from `begin` to before `end` as they arrive."""
        while begin < end:
            size = min(_PIECE_BYTES, end - begin)
            await self.arrived(begin + size)
            piece = await asyncio.to_thread(_read_at, self._stream, begin, size)
            if not piece:
                raise EOFError(f"The spool ends at {begin}, before {end}")
            yield piece
            begin += len(piece)

    def _holds(self, up_to: int) -> bool:
        is_end = up_to == self.size_bytes
        return self.received_bytes >= up_to and not is_end

    async def _grow(self, received_bytes: int) -> None:
        async with self._changed:
            self.received_bytes = received_bytes
            self._changed.notify_all()


@dataclass(slots=True)
class Upload:
    """One file for `bucket/path`. `sent_bytes` falls when an upload starts over."""

    spool: Spool
    bucket: Bucket
    path: str
    size_bytes: int
    content_type: str
    max_age_s: int = 3600
    sent_bytes: int = field(default=0, init=False)

    async def body(self, begin: int, end: int) -> AsyncGenerator[bytes]:
        """The bytes from `begin` to before `end`, counted as sent."""
        self.sent_bytes = begin
        async for piece in self.spool.pieces(begin, end):
            yield piece
            self.sent_bytes += len(piece)


@contextmanager
def whole(path: Path) -> Generator[Spool]:
    """An existing, complete file as a spool."""
    with path.open("rb") as stream:
        spool = Spool(path, stream, path.stat().st_size)
        spool.received_bytes = path.stat().st_size
        spool.finished = True
        yield spool


@contextmanager
def spooled(path: Path, size_bytes: int | None) -> Generator[Spool]:
    """A new spool; its file is not removed."""
    with path.open("w+b") as stream:
        yield Spool(path, stream, size_bytes)


def _append(stream: BinaryIO, chunk: bytes) -> None:
    stream.write(chunk)
    stream.flush()


def _read_at(stream: BinaryIO, begin: int, size: int) -> bytes:
    # `fileno` raises for a closed stream, whose descriptor might belong to another file by now.
    return os.pread(stream.fileno(), size, begin)
