"""Joins clips to one film with ffmpeg, on this machine.

Clips with equal streams that are played exactly as stored are concatenated as they are. All others
are first converted to one size, frame rate and audio format: joining unequal ones gives a broken
file without an error from ffmpeg. No run has more than two inputs, so that memory does not grow
with the number of clips.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from services.media.cuts import Cut, Piece, read_cut, read_header
from services.media.ffmpeg import Ffmpeg, untrusted_input
from services.media.sandboxed import Limits
from services.storage.transfers import MAX_VIDEO_BYTES

# A shot of 15 s takes some 10 s on two cores; the film itself may be as large as its bucket allows.
_LIMITS = Limits(timeout_s=300, file_bytes=MAX_VIDEO_BYTES)
_DEFAULT_FPS = 24.0
_MAX_FPS = 60.0
# A shorter one can hardly be seen.
_MIN_TRANSITION_S = 0.1
_TRANSITIONS = frozenset({"fade", "dissolve"})
# Two threads each: one job must not use all cores, nor many threads all the memory.
_THREADS = ("-threads", "2", "-filter_complex_threads", "2")
_X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p")
# Uncompressed audio is exactly as long as its video; the last step encodes it to AAC.
_PART = (*_THREADS, *_X264, "-c:a", "pcm_s16le", "-map", "[v]", "-map", "[a]", "-sn", "-dn")
_AAC = ("-c:a", "aac", "-b:a", "192k")
_SOUND = "aformat=sample_fmts=s16:sample_rates=48000:channel_layouts=stereo"
_SILENCE = ("-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo")

Report = Callable[[int, int], Awaitable[None]]
"""Called after each step with the number of steps done, and of all steps."""


@dataclass(frozen=True, slots=True)
class Style:
    """How the film looks. `transition`: fade or dissolve; anything else cuts."""

    width: int
    height: int
    transition: str | None = None
    transition_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece in the film's format, and its length in frames."""

    file: Path
    frames: int


class Composer:
    """Makes films of untrusted clips."""

    def __init__(self, ffmpeg: Ffmpeg) -> None:
        self._ffmpeg = ffmpeg

    async def compose(self, pieces: Sequence[Piece], style: Style, report: Report) -> Path:
        """Write the film beside its pieces, which lie in one folder.

        Raises UnrecoverableError for what is no video.
        """
        cuts = [await read_cut(self._ffmpeg, piece) for piece in pieces]
        film = pieces[0].file.with_name("film.mp4")
        fps = _fps(cuts)
        overlap = _overlap_frames(style, cuts, fps)
        if not overlap and await self._are_alike(cuts, style):
            await self._join([cut.piece.file for cut in cuts], film, ["-c", "copy"])
            return film
        parts: list[_Part] = []
        for cut in cuts:
            parts.append(await self._normalised(cut, style, fps))
            await report(len(parts), len(cuts))
        files = [part.file for part in parts]
        if overlap:
            files = await self._overlapped(parts, overlap, fps, style.transition or "fade")
        await self._join(files, film, ["-c:v", "copy", *_AAC])
        return film

    async def _are_alike(self, cuts: Sequence[Cut], style: Style) -> bool:
        """Whether the clips can be joined without cutting or converting any."""
        if (
            not all(cut.is_plain and cut.is_whole for cut in cuts)
            or len({cut.probed.fps for cut in cuts}) > 1
        ):
            return False
        if any(cut.probed.pix_fmt != "yuv420p" or cut.probed.video_codec != "h264" for cut in cuts):
            return False
        heads = {await read_header(self._ffmpeg, cut.piece.file) for cut in cuts}
        return len(heads) == 1 and f"#dimensions 0: {style.width}x{style.height}" in heads.pop()

    async def _normalised(self, cut: Cut, style: Style, fps: float) -> _Part:
        """The piece in the film's size, rate and sound."""
        part = _Part(cut.piece.file.with_suffix(".part.mov"), _frames(cut.seconds, fps))
        heard = "0:a:0" if cut.probed.has_audio else "1:a:0"
        graph = (
            f"[0:V:0]{_pictures(style, fps)}[v];"
            f"[{heard}]{_SOUND},aresample=async=1:first_pts=0,apad[a]"
        )
        inputs = [*untrusted_input(cut.piece.file), *_SILENCE, "-filter_complex", graph]
        length = ["-t", f"{part.frames / fps:.6f}"]
        await self._ffmpeg.run([*inputs, *_PART, *length], part.file, limits=_LIMITS)
        return part

    async def _overlapped(
        self, parts: Sequence[_Part], overlap: int, fps: float, transition: str
    ) -> list[Path]:
        """The parts, each cross-faded into the beginning of the next, which is cut off there."""
        files: list[Path] = []
        for number, (part, after) in enumerate(pairwise(parts)):
            skipped = overlap if number else 0
            graph = _crossfade(skipped, part.frames, overlap, fps, transition)
            seconds = (part.frames - skipped) / fps
            files.append(await self._filtered([part.file, after.file], graph, seconds))
        ending, seconds = _beginning_at(overlap, fps, "0", ""), (parts[-1].frames - overlap) / fps
        files.append(await self._filtered([parts[-1].file], ending, seconds))
        return files

    async def _filtered(self, inputs: Sequence[Path], graph: str, seconds: float) -> Path:
        out = inputs[0].with_suffix(".faded.mov")
        sources = [word for file in inputs for word in untrusted_input(file)]
        # In ffmpeg 5 a transition is a frame too long, and the audio would drift ahead.
        length = ["-t", f"{seconds:.6f}"]
        arguments = [*sources, "-filter_complex", graph, *_PART, *length]
        await self._ffmpeg.run(arguments, out, limits=_LIMITS)
        return out

    async def _join(self, files: Sequence[Path], film: Path, codecs: Sequence[str]) -> None:
        # The names in the list are relative to its folder.
        listing = film.with_suffix(".txt")
        listing.write_text("".join(f"file '{file.name}'\n" for file in files), "utf-8")
        formats = ["-protocol_whitelist", "file", "-format_whitelist", "concat,mov,matroska,webm"]
        source = [*formats, "-f", "concat", "-i", f"file:{listing}"]
        form = ["-map", "0:v:0", "-map", "0:a:0?", *codecs, "-movflags", "+faststart"]
        await self._ffmpeg.run([*source, *form], film, limits=_LIMITS)


def _pictures(style: Style, fps: float) -> str:
    w, h = style.width, style.height
    # In the display aspect ratio, which may differ from that of the pixels.
    wide, high = f"min({w},{h}*dar)", f"min({h},{w}/dar)"
    size = f"w='max(2,trunc({wide}/2)*2)':h='max(2,trunc({high}/2)*2)'"
    fit = f"scale={size},pad={w}:{h}:-1:-1"
    # If the video ends before the audio, its last frame stays.
    stay = "tpad=stop=-1:stop_mode=clone"
    # If it begins after the audio, its first frame is shown from the start.
    rate = f"fps={fps:g}:start_time=0"
    return f"{fit},setsar=1,{rate},format=yuv420p,{stay}"


def _fps(cuts: Sequence[Cut]) -> float:
    """The most common frame rate: each conversion costs smoothness."""
    rates = Counter(rate for cut in cuts if 1 <= (rate := cut.probed.fps or 0) <= _MAX_FPS)
    return rates.most_common(1)[0][0] if rates else _DEFAULT_FPS


def _frames(seconds: float, fps: float) -> int:
    return max(1, round(seconds * fps))


def _overlap_frames(style: Style, cuts: Sequence[Cut], fps: float) -> int:
    """Frames of each transition, 0 for plain cuts. A clip may have one at each end."""
    if style.transition not in _TRANSITIONS or len(cuts) < 2:
        return 0
    shortest = min(_frames(cut.seconds, fps) for cut in cuts)
    frames = min(round(style.transition_s * fps), shortest // 2)
    return frames if frames / fps >= _MIN_TRANSITION_S else 0


def _crossfade(skipped: int, frames: int, overlap: int, fps: float, transition: str) -> str:
    """A filter graph: the first part without its beginning, cross-faded into the second."""
    length, ends = overlap / fps, (frames - skipped - overlap) / fps
    return ";".join(
        [
            _beginning_at(skipped, fps, "0", "0"),
            f"[1:v]trim=end_frame={overlap},setpts=PTS-STARTPTS[v1]",
            f"[1:a]atrim=end={length:.6f},asetpts=PTS-STARTPTS[a1]",
            f"[v0][v1]xfade=transition={transition}:duration={length:.6f}:offset={ends:.6f}[v]",
            f"[a0][a1]acrossfade=d={length:.6f}[a]",
        ]
    )


def _beginning_at(skipped: int, fps: float, number: str, label: str) -> str:
    """Both streams of an input without their beginning, named v and a plus `label`."""
    return (
        f"[{number}:v]trim=start_frame={skipped},setpts=PTS-STARTPTS[v{label}];"
        f"[{number}:a]atrim=start={skipped / fps:.6f},asetpts=PTS-STARTPTS[a{label}]"
    )
