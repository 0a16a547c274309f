"""When a clip's video and audio are played, parsed from ffmpeg's `framecrc` listing.

A header may lack the clip's length, or differ from the packets. The lines parsed here are the same
from 4.x to 9.x; times are in the stream's time base, 0 is when the clip begins:

    #tb 0: 1/12288
    0,      -1024,          0,      512,     3433, 0xd19a4aa2
    0,       -512,       2048,      512,      372, 0x6b1fb3fb, F=0x0

The columns are: stream, decoding time, presentation time, duration, bytes, checksum. Flags follow
unless they are 1, and side data: 1 is a key frame, 4 is decoded for other frames but not played, as
an edit list requires.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

_TIME_BASE = re.compile(r"#tb ([01]): (\d{1,10})/([1-9]\d{0,9})$")
_PACKET = re.compile(
    r"([01]), *-?\d{1,19}, *(-?\d{1,19}), *(\d{1,19}), *\d{1,19}, 0x[0-9a-f]{8}"
    r"(?:, F=0x([0-9A-F]{1,8}))?(, S=)?"
)
_KEY, _NOT_PLAYED = 1, 4
# AAC's priming takes up to 2112 samples, 48 ms at 44.1 kHz, and one packet more or less of either
# stream is not noticed; lips and voice out of sync are, from some 60 ms on.
_UNNOTICED_S = 0.05
# Encoders end the audio with a whole packet, and the video with a whole frame.
_ENDS_TOGETHER_S = 0.1


@dataclass(frozen=True, slots=True)
class Track:
    """A stream, in seconds of the clip.

    `begins_s` and `ends_s` bound what is played. `hidden_s` is how much more the file holds.
    `is_plain`: it begins with a key frame, and no packet has side data, such as another header
    in the middle of the stream.
    """

    begins_s: float
    ends_s: float
    hidden_s: float
    is_plain: bool


@dataclass(frozen=True, slots=True)
class Packets:
    """The tracks of a clip, each None when none of it is played."""

    pictures: Track | None
    sound: Track | None

    @property
    def seconds(self) -> float:
        """How long the clip plays: until the later of both ends."""
        return max((track.ends_s for track in (self.pictures, self.sound) if track), default=0.0)

    @property
    def are_plain(self) -> bool:
        """Whether they play the same after another clip's as they do alone."""
        pictures, sound = self.pictures, self.sound
        if pictures is None or not pictures.is_plain or pictures.hidden_s:
            return False
        if not 0 <= pictures.begins_s <= _UNNOTICED_S:
            return False
        return sound is None or (
            abs(sound.begins_s) <= _UNNOTICED_S
            and sound.hidden_s <= _UNNOTICED_S
            and abs(sound.ends_s - pictures.ends_s) <= _ENDS_TOGETHER_S
        )


@dataclass(frozen=True, slots=True)
class _Packet:
    begins: int
    duration: int
    flags: int
    has_side_data: bool


def read_packets(listing: Iterable[str]) -> Packets:
    """Parse a listing of one video stream, number 0, and one audio stream, number 1, if any."""
    time_bases = {0: Fraction(1), 1: Fraction(1)}
    packets: dict[int, list[_Packet]] = {0: [], 1: []}
    for line in listing:
        if found := _PACKET.match(line):
            flags = int(found[4], 16) if found[4] else _KEY
            packet = _Packet(int(found[2]), int(found[3]), flags, bool(found[5]))
            packets[int(found[1])].append(packet)
        elif found := _TIME_BASE.match(line):
            time_bases[int(found[1])] = Fraction(int(found[2]), int(found[3]))
    pictures, sound = (_track(packets[number], time_bases[number]) for number in (0, 1))
    return Packets(pictures, sound)


def _track(packets: list[_Packet], time_base: Fraction) -> Track | None:
    played = [one for one in packets if not one.flags & _NOT_PLAYED]
    if not played:
        return None
    hidden = sum(one.duration for one in packets if one.flags & _NOT_PLAYED)
    has_side_data = any(one.has_side_data for one in packets)
    return Track(
        begins_s=float(min(one.begins for one in played) * time_base),
        ends_s=float(max(one.begins + one.duration for one in played) * time_base),
        hidden_s=float(hidden * time_base),
        is_plain=bool(packets[0].flags & _KEY) and not has_side_data,
    )
