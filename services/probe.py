"""What a video file holds, read from ffmpeg's own description of its input.

ffmpeg is asked, not ffprobe, so that one program and one reading serve every machine: the wheel's
build comes without ffprobe. The lines read here are the same from 4.x to 9.x:

    Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:…':
      Duration: 00:00:02.00, start: 0.000000, bitrate: 287 kb/s
      Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709), 320x240 …
          Display Matrix: rotation of 90.00 degrees      ("displaymatrix:" before 7.1)

The file's own words stand among them, in front of the duration and deeper below a stream: what they
look like is not taken for a stream, and costs no more time than they are long.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from core.errors import PermanentError

# Real lines have some 200 characters.
_LONGEST_LINE = 1000
_BEFORE_DURATION = "\n  Duration: "
_DURATION = re.compile(r"(\d{1,6}):(\d\d):(\d\d(?:\.\d{1,6})?)")
# Behind the number may stand an id and a language. Versions before 5 indent by four.
_STREAM = re.compile(r"(?: {2}| {4})Stream #0:\d{1,4}.{0,100}?: (Video|Audio): (.*)")
_SIZE = re.compile(r", ([1-9]\d{0,5})x([1-9]\d{0,5})(?=[ ,\n]|$)")
_FPS = re.compile(r", (\d{1,6}(?:\.\d{1,6})?) fps")
_ROTATION = re.compile(r" +display ?matrix: rotation of (-?\d{1,6}(?:\.\d{1,6})?)", re.IGNORECASE)
# A mirrored picture has a matrix too, whose rotation tells nothing of it.
_CHANGED = re.compile(r" +(?:display ?matrix|frame cropping):", re.IGNORECASE)
# A picture that is attached as a cover is no film.
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
    """Whether pictures are shown as they are stored: not turned, mirrored or cropped."""


@dataclass(frozen=True, slots=True)
class _Stream:
    """`about` are the lines below its own."""

    kind: str
    line: str
    about: list[str] = field(default_factory=list[str])


def read_description(said: str) -> Probed:
    """Read what `ffmpeg -i` said. Raises PermanentError when there is no picture to show."""
    duration, *lines = said.partition(_BEFORE_DURATION)[2].split("\n")
    streams = list(_streams(lines))
    films = [one for one in streams if one.kind == "Video" and _COVER not in one.line]
    if not films:
        raise PermanentError("The file holds no video stream")
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
        found = _STREAM.match(line[:_LONGEST_LINE])
        if found:
            if stream is not None:
                yield stream
            stream = _Stream(found[1], found[2])
        elif stream is not None:
            stream.about.append(line[:_LONGEST_LINE])
    if stream is not None:
        yield stream


def _displayed_size(film: _Stream) -> tuple[int, int]:
    size = _SIZE.search(film.line)
    if size is None:
        raise PermanentError("The video cannot be decoded, or its pictures are too large")
    width, height = int(size[1]), int(size[2])
    turned = next(filter(None, map(_ROTATION.match, film.about)), None)
    quarters = round(float(turned[1]) / 90) if turned else 0
    return (height, width) if quarters % 2 else (width, height)


def _duration_s(text: str) -> float:
    """0 for "N/A"."""
    found = _DURATION.match(text)
    if found is None:
        return 0.0
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
