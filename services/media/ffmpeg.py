"""Runs ffmpeg on untrusted files, in the sandbox."""

import asyncio
import importlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from bullmq_consumer.machine import MachineUnfit, lack_in_output
from bullmq_consumer.sanitize.text import one_line
from core.errors import PermanentError
from core.people import Cause
from services.media.description import (
    LABELLED,
    PLAIN,
    Probed,
    is_description,
    own_lines,
    read_description,
)
from services.media.sandboxed import Limits, run_untrusted

PictureFormat = Literal["jpg", "png", "webp"]

_MIB = 1024 * 1024

# 4096x4096: every format that the providers sell, up to 4K in either direction. A decoder keeps
# some 20 pictures; of this size, with 10 bits, they take 1 GiB.
MAX_PIXELS = 4096 * 4096
# The limit of the bucket for thumbnails.
_MAX_PICTURE_BYTES = 5 * _MIB
# Reading a header and seeking take well under a second; these limits are for hostile files.
_PROBE = Limits(timeout_s=20, memory_bytes=1024 * _MIB)
_FRAME = Limits(timeout_s=45, file_bytes=_MAX_PICTURE_BYTES)

# A machine of many cores would start as many threads, and their stacks are address space.
_OPENING = ("-nostdin", "-hide_banner", "-y", "-filter_threads", "2")
_OPTIONS = ("-protocol_whitelist", "file", "-format_whitelist", "mov,matroska,webm")
_DECODER = ("-max_pixels", str(MAX_PIXELS), "-threads", "2")

_SOURCE = re.compile(r"\[[^\[\]]* @ 0x[0-9a-f]+\] ?")
_PATH = re.compile(r"(?:file:)?(?<![\w.])/[^\s:,'\"]+")
_VERSION = re.compile(r"^ffmpeg version (\S+)", re.MULTILINE)


class FfmpegFailed(PermanentError):
    """ffmpeg ended with an error, and will again for the same input."""

    cause = Cause.UNUSABLE

    def __init__(self, reason: str) -> None:
        super().__init__(f"ffmpeg failed: {reason}")
        self.reason = reason


class NoFrame(PermanentError):
    """There is no picture at this time of the video."""

    cause = Cause.UNUSABLE


def untrusted_input(file: Path, *options: str) -> list[str]:
    """Arguments that open an untrusted file: as a video only, from disk only, of bounded size.

    `options` are further ones for this input, such as `-ss` or `-t`.
    """
    return [*_OPTIONS, *_DECODER, *options, "-i", f"file:{file}"]


class Ffmpeg:
    """The program from PATH, else the one in the imageio-ffmpeg wheel. Paths are absolute."""

    def __init__(self) -> None:
        self._program: str | None = None

    async def version(self) -> str:
        """The program's own version text. Raises PermanentError when there is no ffmpeg."""
        ended = await run_untrusted([await self._found()], _PROBE)
        found = _VERSION.search(ended.stderr)
        if found is None:
            found = f"ffmpeg does not run as it should: {_reason(ended.stderr)}"
            raise PermanentError(found, cause=Cause.OUR_SIDE)
        return found[1]

    async def probe(self, file: Path) -> Probed:
        """What the video holds. Raises PermanentError when it cannot be decoded."""
        plain = await self._description(file, PLAIN)
        own = own_lines(plain, await self._description(file, LABELLED))
        if not is_description(own):
            found = f"The video cannot be read: {_reason(plain)}"
            raise PermanentError(found, cause=Cause.UNUSABLE)
        return read_description(own)

    async def frame(
        self,
        video: Path,
        at_s: float,
        out: Path,
        *,
        width: int,
        height: int,
        picture_format: PictureFormat,
        quality: int,
    ) -> None:
        """Write the picture shown at `at_s` to the new file `out` beside the video.

        It is fitted into `width` x `height` and never enlarged. `quality` is 1 to 100; png has
        none. Raises NoFrame.
        """
        arguments = [
            *untrusted_input(video, "-ss", f"{at_s:.3f}"),
            *("-map", "0:V:0", "-frames:v", "1", "-update", "1"),
            *("-vf", _fitted(width, height, picture_format)),
            *_encoder(picture_format, quality),
            *("-threads", "2", "-f", "image2"),
        ]
        try:
            await self.run(arguments, out, limits=_FRAME)
        except FfmpegFailed as error:
            raise NoFrame(f"No picture at {at_s:g} s: {error.reason}") from error
        # Past the end of the video older versions succeed and write nothing.
        if not _is_written(out):
            raise NoFrame(f"The video has no picture at {at_s:g} s")

    async def run(self, arguments: Sequence[str], out: Path, *, limits: Limits) -> None:
        """Have ffmpeg write the file `out` from inputs in its folder, the only one it can access.

        Untrusted inputs are given by `untrusted_input`. Raises FfmpegFailed, MachineUnfit
        when the disk is full, and what `run_untrusted` raises.
        """
        settings = [*_OPENING, "-loglevel", "error"]
        command = [await self._found(), *settings, *arguments, f"file:{out}"]
        ended = await run_untrusted(command, limits, out.parent)
        if lack := lack_in_output(ended.stderr):
            raise MachineUnfit(lack)
        if ended.code:
            raise FfmpegFailed(_reason(ended.stderr))

    async def _description(self, file: Path, level: str) -> str:
        """Without an output ffmpeg describes its input and ends with code 1."""
        settings = [*_OPENING, "-loglevel", level]
        command = [await self._found(), *settings, *untrusted_input(file)]
        return (await run_untrusted(command, _PROBE, file.parent)).stderr

    async def _found(self) -> str:
        if self._program is None:
            self._program = await asyncio.to_thread(_find)
        return self._program


def _find() -> str:
    found = shutil.which("ffmpeg")
    if found:
        return str(Path(found).absolute())
    try:
        wheel: Any = importlib.import_module("imageio_ffmpeg")
        return wheel.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        raise PermanentError(
            "ffmpeg is not on this machine: install ffmpeg, or put it on the worker's PATH",
            cause=Cause.OUR_SIDE,
        ) from None


def _is_written(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _fitted(width: int, height: int, picture_format: PictureFormat) -> str:
    """Square pixels and even sides, at most `width` and `height`, in the shape of the video."""
    factor = f"min(1,min({width}/(iw*sar),{height}/ih))"
    w, h = (f"max(2,trunc({side}*{factor}/2)*2)" for side in ("iw*sar", "ih"))
    pixels = {"jpg": "yuvj420p", "png": "rgb24", "webp": "yuv420p"}[picture_format]
    return f"scale=w='{w}':h='{h}',setsar=1,format={pixels}"


def _encoder(picture_format: PictureFormat, quality: int) -> list[str]:
    match picture_format:
        case "jpg":
            # 2 is the best and 31 the worst; 100 becomes 2 and 1 becomes 31.
            return ["-c:v", "mjpeg", "-q:v", str(round(31 - (quality - 1) * 29 / 99))]
        case "png":
            return ["-c:v", "png"]
        case "webp":
            return ["-c:v", "libwebp", "-quality", str(quality)]


def _reason(stderr: str) -> str:
    """The first error line, which later ones follow from; without addresses and paths."""
    lines = (one_line(_PATH.sub("the file", _SOURCE.sub("", line))) for line in stderr.splitlines())
    return next((line for line in lines if line), "no reason given")
