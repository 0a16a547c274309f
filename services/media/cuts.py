"""Analyses a clip before it is joined with others."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from core.errors import PermanentError
from core.people import Cause
from services.media.description import Probed
from services.media.ffmpeg import Ffmpeg, untrusted_input
from services.media.packets import Packets, read_packets
from services.media.sandboxed import Limits

# A line has some 60 bytes, and a second of a clip some 110 packets, at 60 frames/s and 48 kHz:
# this is enough for 20 minutes.
_LIMITS = Limits(timeout_s=300, file_bytes=8 * 1024 * 1024)
# A clip of "5 s" is 5.04 s long: that much is not cut off.
_SLACK_S = 0.1
_STREAMS = ("-map", "0:V:0", "-map", "0:a:0?")
_AS_THEY_ARE = ("-c", "copy")
# Only the times count: small frames are hashed faster.
_DECODED = ("-vf", "scale=2:2:flags=neighbor")


@dataclass(frozen=True, slots=True)
class Piece:
    """A clip's file, and how long it may last in the film."""

    file: Path
    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece, what its file's header says, and how long it really plays.

    `is_plain`: it is played exactly as its packets are stored in the file.
    """

    piece: Piece
    probed: Probed
    plays_s: float
    is_plain: bool

    @property
    def seconds(self) -> float:
        """How much of it is shown."""
        return min(self.piece.seconds, self.plays_s)

    @property
    def is_whole(self) -> bool:
        """Whether all of it is shown. Joining uses the length in the file's header."""
        written_s = self.probed.duration_s
        is_true = written_s > 0 and abs(written_s - self.plays_s) <= _SLACK_S
        return is_true and self.plays_s <= self.piece.seconds + _SLACK_S


async def read_cut(ffmpeg: Ffmpeg, piece: Piece) -> Cut:
    """Analyse a piece. Raises PermanentError when there is nothing to show."""
    probed = await ffmpeg.probe(piece.file)
    packets = await _packets(ffmpeg, piece, _AS_THEY_ARE)
    is_plain = packets.are_plain
    if not is_plain:
        # Packets around an edit overlap in time: the decoder's output counts.
        packets = await _packets(ffmpeg, piece, _DECODED)
    if packets.pictures is None:
        raise PermanentError("The video holds no pictures", cause=Cause.UNUSABLE)
    return Cut(piece, probed, packets.seconds, is_plain and probed.is_upright)


async def _packets(ffmpeg: Ffmpeg, piece: Piece, form: tuple[str, ...]) -> Packets:
    listing = piece.file.with_suffix(".packets")
    # One more second, to see whether the file is longer than needed.
    length = ("-t", f"{piece.seconds + 1:.3f}")
    arguments = [*untrusted_input(piece.file), *_STREAMS, *form, *length, "-f", "framecrc"]
    await ffmpeg.run(arguments, listing, limits=_LIMITS)
    return await asyncio.to_thread(_read, listing)


def _read(listing: Path) -> Packets:
    with listing.open(encoding="utf-8", errors="replace") as lines:
        return read_packets(lines)


async def read_header(ffmpeg: Ffmpeg, file: Path) -> str:
    """The decoder parameters of the file's streams: equal for files that can be joined as they are.

    The head of ffmpeg's `framehash` format: codec, size, aspect ratio, time base, audio format and
    a hash of the codec's own headers.
    """
    listing = file.with_suffix(".streams")
    arguments = [*untrusted_input(file), *_STREAMS, "-c", "copy", "-t", "0.1", "-f", "framehash"]
    await ffmpeg.run(arguments, listing, limits=_LIMITS)
    lines = listing.read_text("utf-8", errors="replace").splitlines()
    return "\n".join(line for line in lines if line.startswith("#"))
