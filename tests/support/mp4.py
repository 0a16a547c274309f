"""MP4 files of any size, made from a real one."""

import shutil
from pathlib import Path


def padded(video: Path, out: Path, size_bytes: int) -> Path:
    """The same film in exactly `size_bytes`: a `free` box of zeros, sparse on disk, at its end."""
    shutil.copyfile(video, out)
    padding = size_bytes - video.stat().st_size
    with out.open("ab") as stream:
        stream.write(padding.to_bytes(4) + b"free")
        stream.truncate(size_bytes)
    return out
