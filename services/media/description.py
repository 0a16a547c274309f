"""Parses ffmpeg's description of its input: what a video file holds.

ffmpeg is used, not ffprobe, so that one program and one parser serve every machine: the wheel's
build comes without ffprobe. The lines parsed here are the same from 4.x to 9.x:

    Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:…':
      Duration: 00:00:02.00, start: 0.000000, bitrate: 287 kb/s
      Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709), 320x240 …
        Side data:
          Display Matrix: rotation of 90.00 degrees    ("displaymatrix:" before 7.1)

The output also holds text from the untrusted file: values and keys of metadata, and a stream's
language. Values cannot imitate ffmpeg's own lines, but keys and language are printed unescaped,
line breaks included. So `own_lines` keeps only the lines that ffmpeg itself began, and the parser
reads only positions that the file's text cannot reach: an indentation that metadata does not have,
and behind the language.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from core.errors import PermanentError
from core.people import Cause

# Levels of logging for the two descriptions that `own_lines` compares.
PLAIN, LABELLED = "repeat+info", "repeat+level+info"
_INFO = "[info] "
# The component that logs may stand before the level.
_LABEL = re.compile(r"(?:\[[^\[\]]{1,100} @ 0x[0-9a-f]+\] ){0,2}\[[a-z]{1,9}\] ")
# Printed for every input, whether its duration is known or not.
_BEFORE_DURATION = "\n  Duration: "
_DURATION = re.compile(r"(\d{1,6}):(\d\d):(\d\d(?:\.\d{1,6})?)")
# Versions before 5 indent by four.
_STREAM = re.compile(r"(?: {2}| {4})Stream #0:\d")
# An id and a language may follow the number, and can hold the same words: the last match counts.
_KIND = re.compile(r": (Video|Audio|Subtitle|Data|Attachment|Unknown): ")
_SIZE = re.compile(r", ([1-9]\d{0,5})x([1-9]\d{0,5})(?=[ ,\n]|$)")
_FPS = re.compile(r", (\d{1,6}(?:\.\d{1,6})?) fps")
# Metadata is indented as deep as the entries below this line.
_SIDE_DATA, _BELOW = "    Side data:", "      "
_ROTATION = re.compile(r" +display ?matrix: rotation of (-?\d{1,6}(?:\.\d{1,6})?)", re.IGNORECASE)
# A mirrored picture has a matrix too, which its rotation does not show.
_CHANGED = re.compile(r" +(?:display ?matrix|frame cropping):", re.IGNORECASE)
# An attached cover is no video.
_COVER = "(attached pic)"
# `yuv420p(tv, bt709)` is a pixel format with its colours; commas outside parentheses separate.
_PARTS = re.compile(r",\s*(?![^(]*\))")


@dataclass(frozen=True, slots=True)
class Probed:
    """A video. Width and height are as shown, its rotation applied.

    `duration_s` is 0 when the file does not say. `video_codec` and `pix_fmt` are ffmpeg's names.
    """

    duration_s: float
    width: int
    height: int
    fps: float | None
    has_audio: bool
    video_codec: str
    pix_fmt: str
    is_upright: bool = True
    """Whether frames are shown as stored: not rotated, mirrored or cropped."""


@dataclass(frozen=True, slots=True)
class _Stream:
    """A stream's line; `about` are the lines below it."""

    kind: str
    line: str
    about: list[str] = field(default_factory=list[str])


def is_description(own: str) -> bool:
    """Whether ffmpeg described an input, that is, could open the file."""
    return _BEFORE_DURATION in own


def own_lines(plain: str, labelled: str) -> str:
    """The lines that ffmpeg itself wrote, from two descriptions of one file.

    With LABELLED, ffmpeg prefixes each of its messages with the level, but not the lines within the
    file's text. File text that imitates a level does so in PLAIN too. A line that is interrupted by
    file text ends before it.
    """
    quoted = set(plain.split("\n"))
    lines = [*labelled.removesuffix("\n").split("\n"), _INFO]
    found: list[str] = []
    for line, after in pairwise(lines):
        if line.startswith(_INFO) and line not in quoted:
            is_whole = _LABEL.match(after) and after not in quoted
            own = line if is_whole else line.partition("(")[0]
            found.append(own.removeprefix(_INFO))
    return "\n".join(found)


def read_description(stderr: str) -> Probed:
    """Parse the output of `own_lines`. Raises PermanentError when there is no video to show."""
    duration, *lines = stderr.partition(_BEFORE_DURATION)[2].split("\n")
    streams = list(_streams(lines))
    films = [one for one in streams if one.kind == "Video" and _COVER not in one.line]
    if not films:
        raise PermanentError("The file holds no video stream", cause=Cause.UNUSABLE)
    film = films[0]
    width, height = _displayed_size(film)
    rate = _FPS.search(film.line)
    parts = _PARTS.split(film.line)
    return Probed(
        duration_s=_duration_s(duration),
        width=width,
        height=height,
        fps=float(rate[1]) if rate else None,
        has_audio=any(one.kind == "Audio" for one in streams),
        video_codec=parts[0].split(" ")[0],
        pix_fmt=parts[1].partition("(")[0] if len(parts) > 1 else "",
        is_upright=not any(map(_CHANGED.match, film.about)),
    )


def _streams(lines: list[str]) -> Iterator[_Stream]:
    stream = None
    for line in lines:
        if _STREAM.match(line):
            if stream is not None:
                yield stream
            stream = _stream(line)
        elif stream is not None:
            stream.about.append(line)
    if stream is not None:
        yield stream


def _stream(line: str) -> _Stream:
    """Without a kind when its line is interrupted."""
    kinds = list(_KIND.finditer(line))
    return _Stream(kinds[-1][1], line[kinds[-1].end() :]) if kinds else _Stream("", "")


def _displayed_size(film: _Stream) -> tuple[int, int]:
    size = _SIZE.search(film.line)
    if size is None:
        found = "The video cannot be decoded, or its pictures are too large"
        raise PermanentError(found, cause=Cause.UNUSABLE)
    width, height = int(size[1]), int(size[2])
    quarters = round(_rotation(film) / 90)
    return (height, width) if quarters % 2 else (width, height)


def _rotation(film: _Stream) -> float:
    """In degrees."""
    is_side_data = False
    for line in film.about:
        if not line.startswith(_BELOW):
            is_side_data = line == _SIDE_DATA
        elif is_side_data and (turned := _ROTATION.match(line)):
            return float(turned[1])
    return 0.0


def _duration_s(text: str) -> float:
    """0 for "N/A"."""
    found = _DURATION.match(text)
    if found is None:
        return 0.0
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
