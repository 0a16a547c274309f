"""The part of Gemini's request for content that pictures need; unknown fields are refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

AspectRatio = Literal[
    "1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "21:9", "4:5", "5:4",
    "1:4", "4:1", "1:8", "8:1",
]  # fmt: skip
ImageSize = Literal["512", "1K", "2K", "4K"]


class _Message(BaseModel):
    """Protocol buffers in JSON: both spellings of a name are taken."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid"
    )


class InlineData(_Message):
    mime_type: Literal["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"]
    data: str


class Part(_Message):
    text: str | None = None
    inline_data: InlineData | None = None


class Content(_Message):
    parts: list[Part] = Field(min_length=1)
    role: Literal["user", "model"] = "user"


class ImageConfig(_Message):
    aspect_ratio: AspectRatio | None = None
    image_size: ImageSize | None = None


class GenerationConfig(_Message):
    response_modalities: list[Literal["TEXT", "IMAGE"]] = ["TEXT", "IMAGE"]
    image_config: ImageConfig = ImageConfig()
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = None
    seed: int | None = None
    candidate_count: Literal[1] | None = None


class GenerateContent(_Message):
    contents: list[Content] = Field(min_length=1)
    generation_config: GenerationConfig = GenerationConfig()
    safety_settings: list[dict[str, Any]] = []
    system_instruction: Content | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one kind: pixels of the 1K size by aspect ratio, and how other sizes scale it.

    Without `scales` they take no `image_size`.
    """

    sizes: Mapping[AspectRatio, tuple[int, int]]
    scales: Mapping[ImageSize, Fraction]

    def pixels(self, config: ImageConfig) -> tuple[int, int] | None:
        """Width and height; None when such a picture is not offered."""
        size = self.sizes.get(config.aspect_ratio or "1:1")
        scale = self.scales.get(config.image_size) if config.image_size else Fraction(1)
        return (int(size[0] * scale), int(size[1] * scale)) if size and scale else None


# The tables of ai.google.dev/gemini-api/docs/image-generation.
_OF_2_5: dict[AspectRatio, tuple[int, int]] = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "9:16": (768, 1344),
    "4:3": (1184, 864),
    "3:4": (864, 1184),
    "3:2": (1248, 832),
    "2:3": (832, 1248),
    "21:9": (1536, 672),
    "4:5": (896, 1152),
    "5:4": (1152, 896),
}
_OF_3: dict[AspectRatio, tuple[int, int]] = {
    "1:1": (1024, 1024),
    "16:9": (1376, 768),
    "9:16": (768, 1376),
    "4:3": (1200, 896),
    "3:4": (896, 1200),
    "3:2": (1264, 848),
    "2:3": (848, 1264),
    "21:9": (1584, 672),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
}
_OF_3_1_ALONE: dict[AspectRatio, tuple[int, int]] = {
    "1:4": (512, 2048),
    "4:1": (2048, 512),
    "1:8": (384, 3072),
    "8:1": (3072, 384),
}
_LARGER: dict[ImageSize, Fraction] = {"1K": Fraction(1), "2K": Fraction(2), "4K": Fraction(4)}
FAMILIES: dict[str, Family] = {
    "gemini-3.1-flash-image": Family(_OF_3 | _OF_3_1_ALONE, {"512": Fraction(1, 2), **_LARGER}),
    "gemini-3-pro-image": Family(_OF_3, _LARGER),
    # All 14 ratios, and not 512: github.com/TanStack/ai, release of ai-gemini 0.36.0. Its pixels
    # are taken to be those of 3.1.
    "gemini-nano-banana-2.1": Family(_OF_3 | _OF_3_1_ALONE, _LARGER),
    # To be shut down on 2026-10-02 at the earliest. It knows an aspect ratio and no image size:
    # github.com/HKUDS/nanobot/pull/4656.
    "gemini-2.5-flash-image": Family(_OF_2_5, {}),
}
"""By how the name of a model begins."""
