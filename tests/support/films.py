"""Small video files with known pictures, and hostile ones."""

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sandbox.providers.drawing.clips import ffmpeg

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
HEVC_10 = (
    *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"),
    *("-pix_fmt", "yuv420p10le", "-tag:v", "hvc1"),
)
# Red until 0.75 s, green until 2 s, blue until 4 s.
COLOURS = (("red", 0.75), ("lime", 1.25), ("blue", 2.0))


def run(*arguments: str | Path) -> None:
    command = [ffmpeg(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    subprocess.run([*command, *map(str, arguments)], check=True)


def film(
    out: Path,
    size: str = "320x180",
    colours: Sequence[tuple[str, float]] = COLOURS,
    codec: Sequence[str] = H264,
) -> Path:
    """Plain colours one after the other."""
    sources = [f"color={name}:s={size}:r=24:d={seconds}" for name, seconds in colours]
    inputs = [word for source in sources for word in ("-f", "lavfi", "-i", source)]
    run(*inputs, "-filter_complex", f"concat=n={len(colours)}", *codec, out)
    return out


def rotated(source: Path, out: Path, degrees: int = 90) -> Path:
    """The same film with a note that it is to be shown turned."""
    run("-display_rotation", str(degrees), "-i", source, "-c", "copy", out)
    return out


def lasting(source: Path, out: Path, seconds: float) -> Path:
    """The same film in Matroska, of which its header says that it lasts so long."""
    run("-i", source, "-c", "copy", "-f", "matroska", out)
    content = bytearray(out.read_bytes())
    # The element Duration, of eight bytes: a number of milliseconds.
    place = content.index(b"\x44\x89\x88") + 3
    content[place : place + 8] = struct.pack(">d", seconds * 1000)
    out.write_bytes(content)
    return out


def sound(out: Path) -> Path:
    """Silence, and no picture."""
    run("-f", "lavfi", "-i", "anullsrc", "-t", "1", "-c:a", "aac", "-f", "mp4", out)
    return out


def huge_picture(out: Path) -> Path:
    """18 KB that unpack to a frame of 144 million pixels."""
    source = "color=black:s=12000x12000:r=1"
    picture = ("-frames:v", "1", "-pix_fmt", "monob", "-c:v", "png")
    run("-f", "lavfi", "-i", source, *picture, "-f", "mov", out)
    return out


def huge_size_in_header(source: Path, out: Path) -> Path:
    """The sample description says 65535x65535."""
    content = bytearray(source.read_bytes())
    place = content.index(b"avc1", content.index(b"stsd")) + 4 + 24
    content[place : place + 4] = b"\xff\xff\xff\xff"
    out.write_bytes(content)
    return out


def huge_index(source: Path, out: Path, samples: int = 85_000_000) -> Path:
    """The header declares 85 million frames of a byte each: an index of 2 GB, 24 bytes a frame."""
    content = bytearray(source.read_bytes())
    for box, offset, values in (
        (b"stsz", 8, (1, samples)),
        (b"stts", 12, (samples,)),
        (b"stsc", 16, (samples,)),
    ):
        place = content.index(box) + offset
        packed = struct.pack(f">{len(values)}I", *values)
        content[place : place + len(packed)] = packed
    out.write_bytes(content)
    return out


def three_gigabytes(source: Path, out: Path) -> Path:
    """The data box says that 3 GB follow; the file ends long before."""
    content = bytearray(source.read_bytes())
    place = content.index(b"mdat") - 4
    content[place : place + 4] = struct.pack(">I", 3_000_000_000)
    out.write_bytes(content)
    return out


def web_ready(out: Path) -> Path:
    """The header before the data, as players want it."""
    return film(out, codec=(*H264, "-movflags", "+faststart"))
