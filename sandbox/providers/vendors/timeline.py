"""What Shotstack takes for a film, and what it refuses."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.providers.drawing.clips import Fit

_ASPECTS = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1), "4:5": (4, 5), "4:3": (4, 3)}
_SHORT_SIDE = {"preview": 288, "mobile": 360, "sd": 576, "hd": 720, "1080": 1080, "4k": 2160}


class _Strict(BaseModel):
    """Shotstack refuses fields that it does not know."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Asset(_Strict):
    type: Literal["video"]
    src: str = Field(pattern=r"^https?://\S+$")
    trim: float | None = Field(default=None, ge=0)
    volume: float | None = Field(default=None, ge=0, le=1)


class TimedClip(_Strict):
    asset: Asset
    start: float = Field(ge=0)
    length: float | Literal["auto"] = Field()
    fit: Fit = "crop"
    scale: float | None = None
    transition: dict[str, str] | None = None


class Track(_Strict):
    clips: list[TimedClip] = Field(min_length=1)


class Timeline(_Strict):
    tracks: list[Track] = Field(min_length=1)
    background: str = "#000000"


class Destination(_Strict):
    """Where the film is hosted; Shotstack does it itself unless told to leave that."""

    provider: Literal["shotstack", "s3", "mux", "vimeo", "google-drive"]
    exclude: bool | None = None
    options: dict[str, Any] | None = None


class Output(_Strict):
    format: Literal["mp4"]
    resolution: Literal["preview", "mobile", "sd", "hd", "1080", "4k"] | None = None
    aspect_ratio: Literal["16:9", "9:16", "1:1", "4:5", "4:3"] = Field(
        default="16:9", alias="aspectRatio"
    )
    fps: float | None = None
    destinations: list[Destination] | None = None
    quality: Literal["verylow", "low", "medium", "high", "veryhigh"] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        across, down = _ASPECTS[self.aspect_ratio]
        short = _SHORT_SIDE[self.resolution or "hd"]
        long = short * max(across, down) // min(across, down) // 2 * 2
        return (long, short) if across >= down else (short, long)


class Edit(_Strict):
    timeline: Timeline
    output: Output
    callback: str | None = None

    @property
    def clips(self) -> list[TimedClip]:
        """Of all tracks, in the order of time."""
        clips = [clip for track in self.timeline.tracks for clip in track.clips]
        return sorted(clips, key=lambda clip: clip.start)
