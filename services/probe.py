"""What a video file holds, read from ffmpeg's own description of its input.

ffmpeg is asked, not ffprobe, so that one program and one reading serve every machine: the wheel's
build comes without ffprobe. The lines read here are the same from 4.x to 9.x:

    Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:…':
      Duration: 00:00:02.00, start: 0.000000, bitrate: 287 kb/s
      Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709), 320x240 …
          Display Matrix: rotation of 90.00 degrees      ("displaymatrix:" before 7.1)
"""

import re
from dataclasses import dataclass

from core.errors import PermanentError

_DURATION = re.compile(r"^  Duration: (\d{1,6}):(\d\d):(\d\d(?:\.\d{1,6})?)", re.MULTILINE)
# A stream's line and the lines about it, which are indented deeper. A picture that is attached as
# a cover is no film.
_STREAM = re.compile(
    r"^ {2,4}Stream #0:\d+.*?: (Video|Audio): (.*)\n((?: {4,}.*\n?)*)", re.MULTILINE
)
_SIZE = re.compile(r", ([1-9]\d{0,5})x([1-9]\d{0,5})(?=[ ,\n]|$)")
_FPS = re.compile(r", (\d{1,6}(?:\.\d{1,6})?) fps")
_ROTATION = re.compile(
    r"^ +display ?matrix: rotation of (-?\d{1,6}(?:\.\d{1,6})?)", re.MULTILINE | re.IGNORECASE
)
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


def read_description(said: str) -> Probed:
    """Read what `ffmpeg -i` said. Raises PermanentError when there is no picture to show."""
    streams = _STREAM.findall(said)
    films = [
        (line, notes) for kind, line, notes in streams if kind == "Video" and _COVER not in line
    ]
    if not films:
        raise PermanentError("The file holds no video stream")
    line, notes = films[0]
    width, height = _displayed_size(line, notes)
    rate = _FPS.search(line)
    parts = _PARTS.split(line)
    return Probed(
        duration_s=_duration_s(said),
        width=width,
        height=height,
        fps=float(rate[1]) if rate else None,
        has_audio=any(kind == "Audio" for kind, _, _ in streams),
        video_codec=parts[0].split(" ")[0],
        pix_fmt=parts[1].partition("(")[0] if len(parts) > 1 else "",
    )


def _displayed_size(line: str, notes: str) -> tuple[int, int]:
    size = _SIZE.search(line)
    if size is None:
        raise PermanentError("The video cannot be decoded, or its pictures are too large")
    width, height = int(size[1]), int(size[2])
    turned = _ROTATION.search(notes)
    quarters = round(float(turned[1]) / 90) if turned else 0
    return (height, width) if quarters % 2 else (width, height)


def _duration_s(said: str) -> float:
    """0 for "N/A"."""
    found = _DURATION.search(said)
    if found is None:
        return 0.0
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
