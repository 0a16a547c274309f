"""Detects a file's type by its content; headers and file names are not trusted."""

from enum import Enum
from io import SEEK_END
from typing import BinaryIO

from core.errors import TransientError, UnusableContent
from core.people import Cause

# Enough for every signature below.
HEAD_BYTES = 12
# Cameras and editors append data after the end marker; this much of it is tolerated.
_TAIL_BYTES = 64 * 1024
# Still pictures in the container of MP4.
_PICTURE_BRANDS = frozenset(
    {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"}
)
_FILM_BOXES = frozenset({b"ftyp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide"})


class Kind(Enum):
    """Kinds of download; the value is the text for messages."""

    IMAGE = "an image (JPEG, PNG or WebP)"
    VIDEO = "a video (MP4, MOV or WebM)"


def sniff(head: bytes) -> str | None:
    """The content type that the first HEAD_BYTES show, None for anything we do not store."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp" and head[8:12] not in _PICTURE_BRANDS:
        return "video/quicktime" if head[8:10] == b"qt" else "video/mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm"
    return None


def content_type_of(head: bytes, accept: Kind) -> str:
    """The content type, if it is of the requested kind. Raises UnusableContent."""
    found = sniff(head)
    if found is None or found.partition("/")[0] != accept.name.lower():
        raise UnusableContent(f"What the address serves is not {accept.value}")
    return found


def check_complete(stream: BinaryIO, content_type: str) -> None:
    """Refuse a picture that stops before its end. Raises TransientError.

    Servers that send no length give no other sign of a broken transfer. Leaves the stream at its
    end.
    """
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    size = stream.seek(0, SEEK_END)
    stream.seek(max(0, size - _TAIL_BYTES))
    if not _is_complete(content_type, head, stream.read(), size):
        raise TransientError("The picture was cut off before its end", cause=Cause.NOT_FETCHED)


def check_video_complete(stream: BinaryIO, content_type: str) -> None:
    """Refuse an MP4 or MOV that lacks its index or ends within it or within the film.

    Raises TransientError or UnusableContent. Only the boxes' headers are read.
    """
    if content_type != "video/webm" and not _has_whole_film(stream):
        raise TransientError("The video was cut off before its end", cause=Cause.NOT_FETCHED)


# A film has some ten boxes at the top, a fragmented one two a fragment. A file made only of
# empty boxes would keep a thread busy for minutes.
_MAX_BOXES = 100_000


def _has_whole_film(stream: BinaryIO) -> bool:
    end = stream.seek(0, SEEK_END)
    place, found = 0, False
    for _ in range(_MAX_BOXES):
        if place + 8 > end:
            return found
        stream.seek(place)
        size, name = _box(stream.read(16), end - place)
        found = found or name == b"moov"
        # Anything may be appended to a file; only boxes of a film count.
        if name in _FILM_BOXES and place + size > end:
            return False
        place += size
    raise UnusableContent("The video is not a real one: it holds too many parts")


def _box(head: bytes, left: int) -> tuple[int, bytes]:
    """Size and name of a box; size 1 stands for a long one, 0 for one up to the file's end."""
    size = int.from_bytes(head[:4])
    if size == 1:
        size = int.from_bytes(head[8:16])
    elif size == 0:
        size = left
    return max(size, 8), head[4:8]


def _is_complete(content_type: str, head: bytes, tail: bytes, size: int) -> bool:
    match content_type:
        case "image/jpeg":
            # After the last start of a scan: an embedded preview has an end marker of its own, and
            # within a scan none can occur.
            return tail.rfind(b"\xff\xd9") > tail.rfind(b"\xff\xda")
        case "image/png":
            return b"IEND\xaeB\x60\x82" in tail
        case "image/webp":
            return size >= int.from_bytes(head[4:8], "little") + 8
        case _:
            return True
