"""Makes the film that an edit describes: fetches its clips and joins them."""

import asyncio
import re
import ssl
import subprocess
import tempfile
from pathlib import Path

import httpx

from sandbox.providers.drawing.clips import Look, Piece, ffmpeg, join_clips
from sandbox.providers.files.named_files import file_behind
from sandbox.providers.files.store import Store
from sandbox.providers.vendors.timeline import Edit, Output, TimedClip

_DURATION = re.compile(r"Duration: (\d+):(\d\d):(\d\d\.\d+)")
_FETCH_TIMEOUT_S = 30.0


class ComposeError(Exception):
    """The message is what the vendor would give as the render's error."""


async def compose(edit: Edit, store: Store, path: str) -> float:
    """Write the film to the media host's `path`. Returns its seconds. Raises ComposeError."""
    if edit.undrawn is not None:
        raise ComposeError(f"The stand-in does not make {edit.undrawn}")
    with tempfile.TemporaryDirectory(prefix="vidfab-render-") as folder:
        pieces = [
            await _piece(clip, store, Path(folder) / f"{number}.mp4")
            for number, clip in enumerate(edit.clips)
        ]
        out = store.folder / path
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            await join_clips(pieces, _look(edit.output), out)
        except Exception as error:
            raise ComposeError(f"The clips cannot be rendered: {error}") from error
    return sum(piece.seconds for piece in pieces)


def _look(output: Output) -> Look:
    return Look(*output.pixels, output.fps, has_sound=not output.mute)


async def _piece(clip: TimedClip, store: Store, target: Path) -> Piece:
    file = await file_behind(store, clip.asset.src) or await _downloaded(clip.asset.src, target)
    length = clip.length
    # A word is "auto": "end" is refused before.
    seconds = await asyncio.to_thread(seconds_of, file) if isinstance(length, str) else length
    return Piece(file, seconds, clip.fit)


async def _downloaded(url: str, target: Path) -> Path:
    try:
        async with httpx.AsyncClient(
            timeout=_FETCH_TIMEOUT_S,
            trust_env=False,
            follow_redirects=True,
            verify=ssl.create_default_context(),
        ) as client:
            response = await client.get(url)
            response.raise_for_status()
    except httpx.HTTPError as error:
        raise ComposeError(f"The asset {url.partition('?')[0]} cannot be fetched") from error
    await asyncio.to_thread(target.write_bytes, response.content)
    return target


def seconds_of(file: Path) -> float:
    """A video's length. Raises ComposeError for what is none."""
    said = subprocess.run(
        [ffmpeg(), "-hide_banner", "-nostdin", "-i", str(file)],
        capture_output=True,
        check=False,
        text=True,
        errors="replace",
    ).stderr
    found = _DURATION.search(said)
    if found is None:
        raise ComposeError(f"{file.name} is not a video")
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
