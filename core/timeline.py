"""A film as a sequence of clips: their order and lengths."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from typing import Any, Protocol

from core.errors import PermanentError
from core.people import Cause

# The default of a shot without a length, as long as the providers' clips by default.
DEFAULT_SECONDS = 5

_SIZES = {"16:9": (1920, 1080), "9:16": (1080, 1920)}
_DEFAULT_ASPECT = "16:9"


class Clip(Protocol):
    """A row of `project_video_clips`."""

    @property
    def shot_number(self) -> int:
        """From 1."""
        ...

    @property
    def status(self) -> str | None:
        """`success` when there is a video, `generating` while there will be one."""
        ...

    @property
    def cdn_url(self) -> str | None:
        """In the app's own storage."""
        ...

    @property
    def video_url_external(self) -> str | None:
        """At the provider, for a day."""
        ...

    @property
    def video_url(self) -> str | None:
        """What the app shows."""
        ...

    @property
    def is_googles(self) -> bool:
        """Whether the provider is Google, whose files require a key."""
        ...

    @property
    def provider_id(self) -> str:
        """The provider's id of this generation; may be empty."""
        ...

    @property
    def fps(self) -> int | None:
        """Frames a second, None when it is not known."""
        ...


@dataclass(frozen=True, slots=True)
class Scene:
    """One clip in its place; times in seconds.

    `generation` is the same for the same video, wherever it lies.
    """

    shot_number: int
    url: str
    start: int
    length: int
    is_googles: bool = False
    generation: str = ""
    fps: int | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Scenes end to end."""

    scenes: tuple[Scene, ...]
    aspect_ratio: str

    @property
    def seconds(self) -> int:
        """From the first scene's start to the last one's end."""
        return sum(scene.length for scene in self.scenes)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the film in pixels."""
        return _SIZES[self.aspect_ratio]

    @property
    def fps(self) -> int | None:
        """What all scenes have, None when they differ or it is not known of each."""
        rates = {scene.fps for scene in self.scenes}
        return rates.pop() if len(rates) == 1 else None

    def fingerprint(self, made_by: str) -> str:
        """Equal for equal films: what is shown, for how long, in which order and format.

        `made_by` is what else the film depends on. Neither addresses nor numbers count: a clip that
        moves to our own storage, or is renumbered, stays the same video.
        """
        shown = [[scene.generation or scene.url, scene.length] for scene in self.scenes]
        text = json.dumps([made_by, self.aspect_ratio, shown])
        return sha256(text.encode()).hexdigest()

    def shotstack_edit(self) -> dict[str, Any]:
        """The body of Shotstack's `POST /render`."""
        clips = [
            {
                "asset": {"type": "video", "src": scene.url},
                "start": scene.start,
                "length": scene.length,
            }
            for scene in self.scenes
        ]
        output: dict[str, Any] = {
            "format": "mp4",
            "resolution": "1080",
            "aspectRatio": self.aspect_ratio,
            # Otherwise Shotstack publishes the film and keeps it for ever.
            "destinations": [{"provider": "shotstack", "exclude": True}],
        }
        if self.fps is not None:
            # At its default, 25, one picture in 24 of such clips would be shown twice.
            output["fps"] = self.fps
        return {"timeline": {"tracks": [{"clips": clips}]}, "output": output}


def timeline(
    clips: Iterable[Clip], seconds_by_shot: Mapping[int, int | None], aspect_ratio: str | None
) -> Timeline:
    """The clips that succeeded, in shot order, each as long as its own shot.

    Raises PermanentError when one of them has no video, or another is still being made, rather than
    leave it out silently.
    """
    clips = list(clips)
    _check_none_is_generating(clips)
    ready = (clip for clip in clips if clip.status == "success")
    found = sorted(ready, key=lambda clip: clip.shot_number)
    _check_all_have_videos(found)
    lengths = [_seconds(seconds_by_shot.get(clip.shot_number)) for clip in found]
    starts = accumulate(lengths, initial=0)
    scenes = (
        _scene(clip, start, length)
        for clip, start, length in zip(found, starts, lengths, strict=False)
    )
    aspect = aspect_ratio if aspect_ratio in _SIZES else _DEFAULT_ASPECT
    return Timeline(tuple(scenes), aspect or _DEFAULT_ASPECT)


def _scene(clip: Clip, start: int, length: int) -> Scene:
    return Scene(
        shot_number=clip.shot_number,
        url=_url(clip),
        start=start,
        length=length,
        is_googles=clip.is_googles,
        generation=clip.provider_id,
        fps=clip.fps,
    )


def _check_none_is_generating(clips: Iterable[Clip]) -> None:
    """Whatever the project's step says: the app may have ordered a clip again meanwhile."""
    waiting = sorted(clip.shot_number for clip in clips if clip.status == "generating")
    if waiting:
        named = ", ".join(f"shot {number}" for number in waiting)
        raise PermanentError(f"Some clips are still being made: {named}", cause=Cause.NOT_READY)


def _check_all_have_videos(clips: Iterable[Clip]) -> None:
    missing = [clip.shot_number for clip in clips if not _url(clip)]
    if missing:
        named = ", ".join(f"shot {number}" for number in missing)
        raise PermanentError(
            f"Some clips are missing their video. Please generate them again: {named}.",
            cause=Cause.MISSING_VIDEOS,
            shots=missing,
        )


def _url(clip: Clip) -> str:
    """Empty when there is none."""
    return clip.cdn_url or clip.video_url_external or clip.video_url or ""


def _seconds(seconds: int | None) -> int:
    return seconds if seconds and seconds > 0 else DEFAULT_SECONDS
