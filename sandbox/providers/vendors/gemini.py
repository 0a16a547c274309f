"""The part of Gemini's request for content that pictures need; unknown fields are refused."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

AspectRatio = Literal[
    "1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "21:9", "4:5", "5:4"
]  # fmt: skip


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
    image_size: Literal["1K", "2K", "4K"] | None = None


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
