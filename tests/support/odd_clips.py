"""Clips that are shown otherwise than their packets lie, and what is seen and heard of a film."""

import re
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sandbox.providers.drawing.clips import ffmpeg
from tests.support.films import run

# With B-frames, as encoders make them unless told otherwise: such files have an edit list.
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac", "-ar", "48000", "-ac", "2")
RED, LIME, BLUE, WHITE = "red", "lime", "blue", "white"
_RGB = {RED: (255, 0, 0), LIME: (0, 255, 0), BLUE: (0, 0, 255), WHITE: (255, 255, 255)}
_SIDE = 32

Edit = tuple[float, float]
"""Seconds that are played, and the second of the media they begin at."""


def quarters(out: Path, size: str = "96x64", seconds: float = 1) -> Path:
    """Red and lime above blue and white, with a tone."""
    width, height = (int(side) // 2 for side in size.split("x"))
    source = f"s={width}x{height}:r=24:d={seconds}"
    colours = [f"color={name}:{source}" for name in (RED, LIME, BLUE, WHITE)]
    inputs = [word for one in colours for word in ("-f", "lavfi", "-i", one)]
    tone = ("-f", "lavfi", "-i", f"sine=440:r=48000:d={seconds}")
    graph = "[0][1]hstack[a];[2][3]hstack[b];[a][b]vstack[v]"
    run(*inputs, *tone, "-filter_complex", graph, "-map", "[v]", "-map", "4:a", *X264, *AAC, out)
    return out


def lasting(out: Path, of_pictures: float, of_sound: float) -> Path:
    """A test picture and a tone that end apart."""
    pictures, sound = f"testsrc=s=96x64:r=24:d={of_pictures}", f"sine=440:r=48000:d={of_sound}"
    run("-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", sound, *X264, *AAC, out)
    return out


def turned(source: Path, out: Path, *how: str) -> Path:
    """The same film with a note on how to show it: `-display_rotation 90`, `-display_hflip`."""
    run(*how, "-i", source, "-c", "copy", out)
    return out


def coloured(out: Path, *colours: tuple[str, float]) -> Path:
    """Colours one after the other with a tone, and no key frame but the first."""
    total = sum(seconds for _, seconds in colours)
    sources = [f"color={name}:s=96x64:r=24:d={seconds}" for name, seconds in colours]
    sources.append(f"sine=440:r=48000:d={total}")
    inputs = [word for one in sources for word in ("-f", "lavfi", "-i", one)]
    graph = f"concat=n={len(colours)}[v]"
    maps = ("-map", "[v]", "-map", f"{len(colours)}:a")
    keys = ("-g", "500", "-sc_threshold", "0")
    run(*inputs, "-filter_complex", graph, *maps, *keys, *X264, *AAC, out)
    return out


def trimmed(source: Path, out: Path, seconds: float) -> Path:
    """Without its first seconds, which stay in the file: an edit list says where to begin."""
    run("-ss", str(seconds), "-i", source, "-c", "copy", out)
    return out


def edited(source: Path, out: Path, *edits: Edit, track: int = 0) -> Path:
    """An MP4 with another edit list for its n-th track, which has one already."""
    content = bytearray(source.read_bytes())
    scale = _u32(content, content.index(b"mvhd") + 16)
    start = -1
    for _ in range(track + 1):
        start = content.index(b"trak", start + 1)
    media_scale = _u32(content, content.index(b"mdhd", start) + 16)
    old = content.index(b"edts", start) - 4
    # x264 shows the first picture two pictures after it is decoded, AAC begins with 1024 samples
    # of run-up: that is where the old list begins.
    begin = _u32(content, content.index(b"elst", start) + 16)
    rows = [(round(d * scale), round(at * media_scale) + begin, 1 << 16) for d, at in edits]
    elst = struct.pack(">II", 0, len(rows)) + b"".join(struct.pack(">III", *row) for row in rows)
    edts = _box(b"edts", _box(b"elst", elst))
    grown = len(edts) - _u32(content, old)
    content[old : old + _u32(content, old)] = edts
    for place in (start - 4, content.index(b"moov") - 4):
        struct.pack_into(">I", content, place, _u32(content, place) + grown)
    out.write_bytes(content)
    return out


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def _u32(content: bytearray, place: int) -> int:
    return struct.unpack_from(">I", content, place)[0]


def flash_and_beep(out: Path, at_s: float = 1.0, sound_at_s: float = 1.0) -> Path:
    """3 s of black: white from `at_s` for 0.2 s, and a tone from `sound_at_s` for as long."""
    flash = f"drawbox=c=white:t=fill:enable='between(t,{at_s},{at_s + 0.19})'"
    beep = f"volume='between(t,{sound_at_s},{sound_at_s + 0.2})':eval=frame"
    pictures = f"color=black:s=96x64:r=24:d=3,{flash}"
    sound = f"sine=1000:r=48000:d=3,asetnsamples=480,{beep}"
    run("-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", sound, *X264, *AAC, out)
    return out


def delayed(source: Path, out: Path, late: str, seconds: float = 0.5) -> Path:
    """The pictures (`v`) or the sound (`a`) begin this much after the other."""
    other = "a" if late == "v" else "v"
    inputs = ("-itsoffset", str(seconds), "-i", source, "-i", source)
    run(*inputs, "-map", f"0:{late}", "-map", f"1:{other}", "-c", "copy", out)
    return out


def written_live(out: Path, codecs: Sequence[str], seconds: float = 3, size: str = "96x64") -> Path:
    """As a browser or a camera writes it, into a pipe: nowhere does it say how long it is."""
    pictures = f"testsrc=s={size}:r=24:d={seconds}"
    sound = f"sine=440:r=48000:d={seconds}"
    inputs = ["-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", sound]
    command = [ffmpeg(), "-loglevel", "error", "-nostdin", *inputs, *codecs, "pipe:"]
    out.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    return out


def corners(video: Path, at_s: float) -> list[str]:
    """The colours of the four quarters as a player shows them: above, then below."""
    return [_seen(video, at_s, x, y) for y in (0.25, 0.75) for x in (0.25, 0.75)]


def colour(video: Path, at_s: float) -> str:
    return _seen(video, at_s, 0.5, 0.5)


def _seen(video: Path, at_s: float, x: float, y: float) -> str:
    """The nearest colour at this place of the picture, 0 to 1; `none` unless it is near."""
    at = ("-ss", str(at_s), "-i", str(video), "-map", "0:v:0", "-frames:v", "1")
    form = ("-vf", f"scale={_SIDE}:{_SIDE},format=rgb24", "-f", "rawvideo", "-")
    command = [ffmpeg(), "-loglevel", "error", "-nostdin", *at, *form]
    picture = subprocess.run(command, capture_output=True, check=True).stdout
    place = (int(y * _SIDE) * _SIDE + int(x * _SIDE)) * 3
    pixel = picture[place : place + 3]
    near = (name for name, rgb in _RGB.items() if _distance(rgb, pixel) < 60)
    return next(near, f"none: {tuple(pixel)}")


def _distance(one: Sequence[int], other: Sequence[int]) -> int:
    return max((abs(a - b) for a, b in zip(one, other, strict=False)), default=255)


def flashes(video: Path) -> list[float]:
    """When the picture turns from black to white, in seconds."""
    said = _filtered(video, "-vf", "blackdetect=d=0.05:pix_th=0.3", "-an")
    ends = [float(one) for one in re.findall(r"black_end:([\d.]+)", said)]
    return ends[:-1]  # the last is the end of the film


def beeps(video: Path) -> list[float]:
    """When a tone begins after silence, in seconds."""
    said = _filtered(video, "-af", "silencedetect=n=-40dB:d=0.1", "-vn")
    ends = [float(one) for one in re.findall(r"silence_end: ([\d.]+)", said)]
    return ends[:-1]


def _filtered(video: Path, *arguments: str) -> str:
    command = [ffmpeg(), "-hide_banner", "-nostdin", "-i", str(video), *arguments]
    ended = subprocess.run([*command, "-f", "null", "-"], capture_output=True, check=True)
    return ended.stderr.decode()
