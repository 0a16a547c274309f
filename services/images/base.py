"""The interface to providers of pictures."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What to draw. `aspect_ratio` as "16:9"; `references` are https URLs, most important first.

    `request_id` is an id of our own for the purchase, sent along where the vendor keeps one.
    """

    prompt: str
    aspect_ratio: str
    references: tuple[str, ...] = ()
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """The provider keeps the picture at `url`, for about a day."""

    url: str


@dataclass(frozen=True, slots=True)
class ImageBytes:
    """The response holds the picture itself.

    `left_out` counts the request's last references that were not sent, as all were too large.
    """

    data: bytes
    content_type: str
    left_out: int = 0


GeneratedImage: TypeAlias = ImageUrl | ImageBytes


class ImageProvider(Protocol):
    """Buys one picture a call."""

    @property
    def name(self) -> str:
        """The name in logs."""
        ...

    @property
    def max_references(self) -> int:
        """How many reference images a request may have."""
        ...

    async def generate(self, request: ImageRequest) -> GeneratedImage:
        """Raises ContentRejected, ServiceError, or what the download of a reference raises."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
