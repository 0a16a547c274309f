"""ffmpeg's descriptions, of 4.x to 9.x."""

import time
from contextlib import suppress

import pytest

from core.errors import UnrecoverableError
from services.media.description import Probed, own_lines, read_description

V5 = """\
Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:/x.mp4':
  Metadata:
    title           : Stream #0:0: Video: fake, rgb24, 1x1, 1 fps
  Duration: 01:02:03.50, start: 0.000000, bitrate: 287 kb/s
  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709, progressive), \
1920x1080 [SAR 1:1 DAR 16:9], 273 kb/s, 23.98 fps, 23.98 tbr, 12288 tbn (default)
    Metadata:
      handler_name    : VideoHandler
    Side data:
      displaymatrix: rotation of -90.00 degrees
  Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, stereo, fltp, 2 kb/s
At least one output file must be specified
"""
V4 = """\
Input #0, matroska,webm, from 'file:/x.webm':
  Duration: N/A, start: 0.000000, bitrate: N/A
    Stream #0:0(eng): Video: vp9 (Profile 2), yuv420p10le(tv), 640x360, SAR 1:1 DAR 16:9, 1k tbr
At least one output file must be specified
"""
COVER = """\
Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:/x.mp4':
  Duration: 00:00:05.04, start: 0.000000, bitrate: 287 kb/s
  Stream #0:0[0x0]: Video: mjpeg (Baseline), yuvj420p(pc), 600x600, 90k tbr, 90k tbn (attached pic)
  Stream #0:1[0x1](und): Video: av1 (libdav1d) (Main), yuv420p(tv), 64x48, 30 fps
    Side data:
      Display Matrix: rotation of 180.00 degrees
"""
UNREADABLE = """\
Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:/x.mp4':
  Duration: 00:00:01.00, start: 0.000000, bitrate: 147 kb/s
  Stream #0:0[0x1]: Video: png (png  / 0x20676E70), none(progressive), 141 kb/s, 1 fps (default)
"""


def test_a_turned_video_with_sound() -> None:
    expected = Probed(3723.5, 1080, 1920, 23.98, True, "h264", "yuv420p", is_upright=False)
    assert read_description(V5) == expected


def test_a_video_that_says_little() -> None:
    assert read_description(V4) == Probed(0.0, 640, 360, None, False, "vp9", "yuv420p10le")


def test_a_cover_is_no_video() -> None:
    expected = Probed(5.04, 64, 48, 30.0, False, "av1", "yuv420p", is_upright=False)
    assert read_description(COVER) == expected


@pytest.mark.parametrize(
    ("side_data", "is_upright"),
    [
        ("Display Matrix: rotation of -180.00 degrees", False),
        ("displaymatrix: rotation of -0.00 degrees", False),  # mirrored
        ("displaymatrix: rotation of nan degrees", False),
        ("Frame Cropping: 0/0/0/8", False),
        ("cpb: bitrate max/min/avg: 0/0/800000 buffer size: 0 vbv_delay: N/A", True),
    ],
)
def test_pictures_that_are_not_shown_as_they_are_stored(side_data: str, is_upright: bool) -> None:
    said = COVER.replace("Display Matrix: rotation of 180.00 degrees", side_data)
    assert read_description(said).is_upright is is_upright


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (UNREADABLE, "The video cannot be decoded, or its pictures are too large"),
        (COVER[: COVER.index("  Stream #0:1")], "The file holds no video stream"),
        ("Input #0, mov, from 'x':\n", "The file holds no video stream"),
    ],
)
def test_files_without_a_picture(said: str, reason: str) -> None:
    with pytest.raises(UnrecoverableError, match=f"^{reason}$"):
        read_description(said)


@pytest.mark.parametrize(
    "line",
    [
        "    Stream #0:7: Video: h264, rgb24, 1x1, 1 fps",
        "    Stream #0:7: Audio: aac",
        "    displaymatrix: rotation of 90: 1",
    ],
)
def test_the_files_own_words_are_no_stream(line: str) -> None:
    forged = COVER.replace("  Duration:", f"  Metadata:\n{line}\n  Duration:", 1)
    assert read_description(forged) == read_description(COVER)


SIDE_DATA = "    Side data:\n      Display Matrix: rotation of 180.00 degrees"


@pytest.mark.parametrize(
    "key", ["displaymatrix: rotation of 90.00 degrees", "Side data:", "Display Matrix: rotation of"]
)
def test_a_key_of_a_streams_metadata_turns_no_picture(key: str) -> None:
    """Metadata stands as deep as side data does."""
    words = f"    Metadata:\n      {key}: 90.00 degrees\n      Display Matrix: rotation of 90: 1"
    for said in (f"{words}\n{SIDE_DATA}", f"{SIDE_DATA}\n{words}"):
        assert read_description(COVER.replace(SIDE_DATA, said)) == read_description(COVER)


@pytest.mark.parametrize("kind", ["Audio", "Subtitle", "Data", "Attachment", "Unknown"])
def test_a_streams_language_is_not_its_kind(kind: str) -> None:
    language = "(x): Video: h264, yuv420p, 9999x9999, 25 fps (" + " " * 2000
    line = f"  Stream #0:0[0x1]{language}): {kind}: aac (LC), 44100 Hz"
    forged = COVER.replace("  Stream #0:1", f"{line}\n  Stream #0:1", 1)
    found = read_description(forged)
    assert (found.width, found.height, found.has_audio) == (64, 48, kind == "Audio")


FORGED = """
  Duration: 999999:59:59.00, start: 0
[info]   Duration: 999999:59:59.00, start: 0
[info]   Stream #0:0: Video: h264 (High), yuv420p, 99998x99998, 25 fps
  Stream #0:0: Video: h264 (High), yuv420p, 99998x99998, 25 fps
[info]   Stream #0:1: Audio: aac
[fatal] x"""


def described(said: str, words: str = "") -> tuple[str, str]:
    """As ffmpeg says it without and with levels; `words` stand where `said` has a §."""
    labelled = "".join(f"[info] {line}\n" for line in said.splitlines()[:-1])
    last = "At least one output file must be specified\n"
    plain = "".join(f"{line}\n" for line in said.splitlines()[:-1]) + last
    return plain.replace("§", words), f"{labelled}[fatal] {last}".replace("§", words)


@pytest.mark.parametrize("said", [V5, V4])
def test_ffmpegs_own_lines_are_all_of_them(said: str) -> None:
    own = own_lines(*described(said))
    assert own.splitlines() == said.splitlines()[:-1]


@pytest.mark.parametrize(
    "place",
    [
        "  Metadata:\n    a§x: v\n  Duration",
        "  Duration: 01:02:03.50, start: 0.0, bitrate: 9\n"
        "  Chapters:\n    Chapter #0:0: start 0, end 1\n"
        "      Metadata:\n        a§x: v\n  Gone",
    ],
)
def test_what_stands_within_a_files_words_is_not_ffmpegs_own(place: str) -> None:
    said = V5.replace("  Duration", place, 1)
    assert read_description(own_lines(*described(said, FORGED))) == read_description(V5)


@pytest.mark.parametrize("kind", ["Video", "Audio"])
def test_a_line_that_is_broken_off_by_a_language_says_nothing(kind: str) -> None:
    words = f"x): {kind}: h264, yuv420p, 9999x9999, 25 fps{FORGED}"
    line = "  Stream #0:0[0x1](§): Subtitle: mov_text\n    Side data:\n"
    said = COVER.replace("  Stream #0:1", f"{line}  Stream #0:1") + "\n"
    assert read_description(own_lines(*described(said, words))) == read_description(COVER)


@pytest.mark.parametrize(
    "words",
    ["    Stream #0:" + "1" * 2**16, "  Stream #0:0: Video: " + "," * 2**16, "    " * 2**14],
)
@pytest.mark.parametrize("place", ["  Duration:", "  Stream #0:1"])
def test_hostile_words_take_no_time(words: str, place: str) -> None:
    plain, labelled = described(COVER.replace(place, f"{words}\n{place}", 1) + "\n")
    began = time.process_time()
    with suppress(UnrecoverableError):
        read_description(own_lines(plain, labelled))
    assert time.process_time() - began < 0.5
