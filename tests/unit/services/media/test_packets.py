"""ffmpeg's listings of packets, of 4.x to 9.x."""

import pytest

from services.media.packets import Packets, Track, read_packets

# B-frames are listed in the order of decoding; the first packet of AAC is its run-up.
PLAIN = """\
#extradata 0:       47, 0x400c0fb4
#software: Lavf59.27.100
#tb 0: 1/12288
#media_type 0: video
#dimensions 0: 320x180
#tb 1: 1/48000
#media_type 1: audio
0,      -1024,          0,      512,     3433, 0xd19a4aa2
1,      -1024,      -1024,     1024,      256, 0xea44782a, F=0x5, S=1,       10
0,       -512,       1024,      512,      372, 0x6b1fb3fb, F=0x0
0,          0,        512,      512,       38, 0x3a1010e8, F=0x0
1,          0,          0,     1024,      258, 0xb8847714
1,       1024,       1024,     1024,      258, 0xb8847714
1,       2048,       2048,     1024,      258, 0xb8847714
1,       3072,       3072,     1024,      258, 0xb8847714
1,       4096,       4096,     1024,      258, 0x02df007b, S=1, Skip Samples,       10, 0x02df007b
"""
FIRST = "0,      -1024,          0,      512,     3433, 0xd19a4aa2"
LAST = "0,          0,        512,      512,       38, 0x3a1010e8, F=0x0"


def read(listing: str) -> Packets:
    return read_packets(listing.splitlines(keepends=True))


def test_a_plain_clip() -> None:
    packets = read(PLAIN)
    assert packets.pictures == Track(0, 0.125, 0, is_plain=True)
    assert packets.sound is not None
    assert packets.sound.begins_s == 0
    assert packets.sound.ends_s == pytest.approx(5 * 1024 / 48000)
    assert packets.sound.hidden_s == pytest.approx(1024 / 48000)
    assert packets.seconds == 0.125
    assert packets.are_plain


def test_a_silent_clip() -> None:
    packets = read("".join(line for line in PLAIN.splitlines(True) if not line.startswith("1,")))
    assert packets.sound is None
    assert packets.are_plain


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        (LAST, LAST.replace("0x0", "0x4")),  # decoded, not shown
        (FIRST, FIRST + ", F=0x5"),
        (FIRST, FIRST + ", F=0x0"),  # what it refers to is missing
        (LAST, LAST + ", S=1,       48"),  # another header
        (LAST, LAST + ", S=1, New Extradata,       48, 0x0344008b"),
        (FIRST, FIRST.replace("      0,", "   -512,")),
        (FIRST, FIRST.replace("          0,", "-9223372036854775808,")),  # no time at all
        ("#tb 1: 1/48000", "#tb 1: 1/8000"),  # the sound goes on
        ("#tb 0: 1/12288", "#tb 0: 1/1000"),  # the pictures do
        (PLAIN, ""),
    ],
)
def test_clips_that_are_not_plain(line: str, instead: str) -> None:
    assert line in PLAIN
    assert read(PLAIN).are_plain
    assert not read(PLAIN.replace(line, instead)).are_plain


@pytest.mark.parametrize(("late_ms", "is_plain"), [(40, True), (60, False)])
@pytest.mark.parametrize("stream", [0, 1])
def test_a_late_beginning(stream: int, late_ms: int, is_plain: bool) -> None:
    """Both end together."""
    other = 1 - stream
    lines = [f"#tb {stream}: 1/1000", f"#tb {other}: 1/1000"]
    lines += [f"{stream}, {late_ms}, {late_ms}, {1000 - late_ms}, 99, 0x02df007b"]
    lines += [f"{other}, 0, 0, 1000, 99, 0x02df007b"]
    assert read_packets(lines).are_plain is is_plain


def test_nothing_to_play() -> None:
    packets = read("#format: frame checksums\n")
    assert (packets.pictures, packets.sound, packets.seconds) == (None, None, 0)
    assert not packets.are_plain
