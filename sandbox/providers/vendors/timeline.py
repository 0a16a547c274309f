"""What Shotstack takes for a film, and what it refuses.

Source of all fields: github.com/shotstack/oas-api-definition, schemas/ (`output`, `clip`, `size`,
`range`, `poster`, `thumbnail`, `destinations`); of `auto` and `end`: shotstack.io/docs,
guide/architecting-an-application/smart-clips.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sandbox.providers.drawing.clips import Fit

_ASPECTS = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1), "4:5": (4, 5), "4:3": (4, 3)}
_SHORT_SIDE = {"preview": 288, "mobile": 360, "sd": 576, "hd": 720, "1080": 1080, "4k": 2160}
_RATES = (12, 15, 23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60)
_DEFAULT_FPS = 25.0

Resolution = Literal["preview", "mobile", "sd", "hd", "1080", "4k"]
Seconds = Annotated[float, Field(ge=0)]
Side = Annotated[int, Field(gt=0, le=1920, multiple_of=2)]


def _a_rate(fps: float) -> float:
    if fps not in _RATES:
        raise ValueError(f"Input should be one of {', '.join(map(str, _RATES))}")
    return fps


class _Strict(BaseModel):
    """Shotstack refuses fields that it does not know."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Asset(_Strict):
    type: Literal["video"]
    src: str = Field(pattern=r"^https?://\S+$")
    trim: float | None = Field(default=None, ge=0)
    volume: float | None = Field(default=None, ge=0, le=1)


class TimedClip(_Strict):
    """`auto` begins where the clip before it ends, and lasts as long as its file."""

    asset: Asset
    start: Seconds | Literal["auto"]
    length: float | Literal["auto", "end"]
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

    provider: Literal[
        "shotstack",
        "s3",
        "mux",
        "vimeo",
        "google-drive",
        "google-cloud-storage",
        "azure-blob-storage",
        "akamai-netstorage",
        "tiktok",
    ]
    exclude: bool | None = None
    options: dict[str, Any] | None = None


class Size(_Strict):
    """In pixels, in place of resolution and aspect ratio."""

    width: Side
    height: Side


class Range(_Strict):
    start: Seconds | None = None
    length: Seconds | None = None
    duration: Seconds | None = None


class Poster(_Strict):
    capture: Seconds


class Thumbnail(_Strict):
    capture: Seconds
    scale: float


class Output(_Strict):
    format: Literal["mp4", "gif", "mp3", "jpg", "png", "bmp"]
    resolution: Resolution | None = None
    aspect_ratio: Literal["16:9", "9:16", "1:1", "4:5", "4:3"] = Field(
        default="16:9", alias="aspectRatio"
    )
    size: Size | None = None
    scale_to: Resolution | None = Field(default=None, alias="scaleTo")
    fps: Annotated[float, AfterValidator(_a_rate)] = _DEFAULT_FPS
    quality: Literal["verylow", "low", "medium", "high", "veryhigh"] | None = None
    repeat: bool | None = None
    mute: bool = False
    range: Range | None = None
    poster: Poster | None = None
    thumbnail: Thumbnail | None = None
    destinations: list[Destination] | None = None

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height."""
        if self.size is not None:
            return self.size.width, self.size.height
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
        placed = [one for track in self.timeline.tracks for one in _placed(track)]
        return [clip for _, clip in sorted(placed, key=lambda one: one[0])]

    @property
    def undrawn(self) -> str | None:
        """The first thing asked for that Shotstack makes, and this stand-in does not."""
        output = self.output
        asked = {
            f"the format {output.format}": output.format != "mp4",
            "a length to the end": any(clip.length == "end" for clip in self.clips),
            "a range": output.range is not None,
            "another scale": output.scale_to is not None,
            "a poster": output.poster is not None,
            "a thumbnail": output.thumbnail is not None,
        }
        return next((what for what, is_asked in asked.items() if is_asked), None)


def _placed(track: Track) -> Iterator[tuple[float, TimedClip]]:
    """Clips by their start; one that starts by itself stays behind the one before it."""
    at = 0.0
    for clip in track.clips:
        at = at if isinstance(clip.start, str) else clip.start
        yield at, clip
