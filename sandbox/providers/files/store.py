"""The media host's files: made when first asked for, kept in one folder."""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode

from sandbox.providers.drawing.clips import Clip, make_clip
from sandbox.providers.drawing.pictures import Format, Picture, render, with_comment

MEDIA_HOST = "media.vidfab.test"
# The same server under the name of Google's files API, to which the worker shows its key.
GOOGLE_HOST = "generativelanguage.googleapis.com"

_FORMATS: dict[str, Format] = {".png": "PNG", ".webp": "WEBP"}
_URL_LIFE_S = 24 * 3600
# As many as the small machines have cores; the rest waits its turn.
_AT_ONCE = 2


class Store:
    """Files by their path on the media host.

    `plain` draws each size once and without text; a JPEG then holds its text as a comment.
    """

    def __init__(self, folder: Path, font: Path | None = None, *, plain: bool = False) -> None:
        self.folder = folder
        self.media_port = 0
        self._font = font
        self._plain = plain
        self._wanted: dict[str, Picture | Clip] = {}
        self._signed: set[str] = set()
        self._secret = secrets.token_bytes(16)
        self._making: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @property
    def base_url(self) -> str:
        return f"https://{MEDIA_HOST}:{self.media_port}"

    def url(self, path: str) -> str:
        return f"{self.base_url}/{quote(path, safe='/:')}"

    def promise(self, path: str, content: Picture | Clip) -> str:
        """The URL at which the content will be made when it is first asked for."""
        self._wanted[path] = content
        return self.url(path)

    def signed_url(self, path: str) -> str:
        """A URL like the object store's: it lives 24 h, and only with its signature."""
        self._signed.add(path)
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        expires = str(int(time.time()) + _URL_LIFE_S)
        query = {
            "X-Tos-Algorithm": "TOS4-HMAC-SHA256",
            "X-Tos-Credential": f"sandbox/{date[:8]}/ap-southeast-1/tos/request",
            "X-Tos-Date": date,
            "X-Tos-Expires": expires,
            "X-Tos-SignedHeaders": "host",
            "X-Tos-Signature": self._signature(path, expires),
        }
        return f"{self.url(path)}?{urlencode(query)}"

    def may_read(self, path: str, query: str) -> bool:
        """Whether the path needs no signature, or the query holds a good one."""
        if path not in self._signed:
            return True
        given = {name: values[0] for name, values in parse_qs(query).items()}
        expires = given.get("X-Tos-Expires", "0")
        good = hmac.compare_digest(
            given.get("X-Tos-Signature", "").encode(), self._signature(path, expires).encode()
        )
        return good and int(expires) > time.time()

    async def picture(self, picture: Picture, kind: Format = "JPEG") -> bytes:
        """Drawn in a thread."""
        if self._plain:
            text = picture.text
            picture = replace(picture, number=1, text="", style="", references=None)
            name = f"plain/{picture.width}x{picture.height}.{kind.lower()}"
            self._wanted[name] = picture
            drawn = (await self._made(name)).read_bytes()
            return with_comment(drawn, text) if kind == "JPEG" else drawn
        return await self._drawn(picture, kind)

    async def save(self, path: str, data: bytes) -> str:
        """Put a file on the media host. Returns its URL."""
        await asyncio.to_thread(self._write, path, data)
        return self.url(path)

    def knows(self, path: str) -> bool:
        """Whether there is such a file, or will be once somebody asks."""
        return path in self._wanted or self._inside(path).is_file()

    async def file(self, path: str) -> Path | None:
        """The file at a path, made now if it was promised; None if there is none."""
        file = self._inside(path)
        if file.is_file():
            return file
        return await self._made(path) if path in self._wanted else None

    def _inside(self, path: str) -> Path:
        """The file a path means; a path that leads out of the folder means the folder."""
        file = (self.folder / path).resolve()
        return file if file.is_relative_to(self.folder.resolve()) else self.folder

    async def _made(self, path: str) -> Path:
        file = self.folder / path
        async with self._making[path]:
            if not file.exists():
                await self._make(path, self._wanted[path])
        return file

    async def _make(self, path: str, content: Picture | Clip) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Clip):
            async with self._turns:
                await make_clip(content, file, self._font)
        else:
            kind = _FORMATS.get(file.suffix.lower(), "JPEG")
            await self.save(path, await self._drawn(content, kind))

    async def _drawn(self, picture: Picture, kind: Format) -> bytes:
        async with self._turns:
            return await asyncio.to_thread(render, picture, kind, self._font)

    def _write(self, path: str, data: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.part")
        part.write_bytes(data)
        part.replace(file)

    def _signature(self, path: str, expires: str) -> str:
        return hmac.new(self._secret, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()
