"""Pictures and clips that are drawn from their names: `/img/{name}` and `/clip/{name}.mp4`.

The query may set `size`, `text`, `number` and, of clips, `seconds` and `audio`. The same name and
query always give the same file.
"""

import hashlib
import zlib
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, Field

from sandbox.providers.drawing.clips import Clip
from sandbox.providers.drawing.pictures import Picture
from sandbox.providers.files.store import MEDIA_HOST, Store

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


class FileQuery(BaseModel):
    """What a query may ask for."""

    size: str = Field(default="1280x720", pattern=r"^[1-9]\d{1,3}x[1-9]\d{1,3}$")
    text: str | None = None
    number: int | None = Field(default=None, ge=1, le=999)
    seconds: float = Field(default=5, gt=0, le=60)
    audio: bool = False

    @property
    def sides(self) -> tuple[int, int]:
        width, _, height = self.size.partition("x")
        return int(width), int(height)


def stored_path(store: Store, path: str, query: str) -> str:
    """Where a path of the media host is kept. Raises pydantic's ValidationError for the query."""
    name = PurePosixPath(path)
    if store.knows(path) or len(name.parts) != 2:
        return path
    if name.parts[0] == "img" and name.suffix in _PICTURES:
        return _promised(store, name, query, is_clip=False)
    if name.parts[0] == "clip" and name.suffix == ".mp4":
        return _promised(store, name, query, is_clip=True)
    return path


async def file_behind(store: Store, url: str) -> Path | None:
    """The file of one of our own URLs; None for any other, or if there is none."""
    parts = urlsplit(url)
    if parts.hostname != MEDIA_HOST or parts.port != store.media_port:
        return None
    return await store.file(stored_path(store, unquote(parts.path).lstrip("/"), parts.query))


def _promised(store: Store, name: PurePosixPath, query: str, *, is_clip: bool) -> str:
    wanted = FileQuery.model_validate(dict(parse_qsl(query)))
    mark = hashlib.sha256(query.encode()).hexdigest()[:12] if query else "plain"
    path = f"drawn/{name.parent}/{name.stem}-{mark}{name.suffix}"
    # A number from 1 to 8, for the colours, that always belongs to the same name.
    number = wanted.number or zlib.crc32(name.stem.encode()) % 8 + 1
    text = name.stem if wanted.text is None else wanted.text
    width, height = wanted.sides
    if is_clip:
        clip = Clip(
            wanted.seconds, width // 2 * 2, height // 2 * 2, number, text, audio=wanted.audio
        )
        store.promise(path, clip)
    else:
        store.promise(path, Picture(width, height, number, text, label="Image"))
    return path
