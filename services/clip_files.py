"""The files behind a project's clips.

Objects of the own storage are read through its API with the service key: the operator chose that
address, so it may be plain http and inside the own network. Every other address is a stranger's and
goes by the download guard.
"""

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

from config.settings import Settings
from core.errors import UnsafeUrl
from core.paths import Bucket, PlainId
from services.content import HEAD_BYTES, Kind, content_type_of
from services.downloads import Downloads
from services.supabase import Supabase

# A clip of 15 s in 4K takes some 50 MB.
MAX_CLIP_BYTES = 500 * 1024 * 1024
_DEADLINE = timedelta(minutes=5)
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")


class ClipFiles:
    """Brings clips to this machine."""

    def __init__(self, settings: Settings, supabase: Supabase, downloads: Downloads) -> None:
        self._public = f"{settings.supabase_url}/storage/v1/object/public/{Bucket.VIDEOS}/"
        self._supabase = supabase
        self._downloads = downloads

    async def fetch(self, url: str, owner: PlainId, into: Path) -> Path:
        """Write the clip at `url` to `into`; `owner` is the project's user.

        Raises UnsafeUrl, UnusableContent, RetryableError, PermanentError or ServiceError.
        """
        path = self._own_object(url, owner)
        if path is None:
            await self._downloads.fetch(
                url, into, max_bytes=MAX_CLIP_BYTES, accept=Kind.VIDEO, deadline=_DEADLINE
            )
            return into
        await self._supabase.download_to(Bucket.VIDEOS, path, into, max_bytes=MAX_CLIP_BYTES)
        with into.open("rb") as stream:
            content_type_of(stream.read(HEAD_BYTES), Kind.VIDEO)
        return into

    def _own_object(self, url: str, owner: PlainId) -> str | None:
        """The object path, if the URL is of the own bucket; None for any other URL.

        Raises UnsafeUrl for an object that is not the owner's.
        """
        if not url.startswith(self._public):
            return None
        path = unquote(url.removeprefix(self._public).partition("?")[0])
        segments = path.split("/")
        is_plain = len(segments) > 2 and all(map(_SEGMENT.fullmatch, segments))
        if segments[:2] != ["videos", owner] or not is_plain:
            raise UnsafeUrl("the stored clip does not belong to the project's user")
        return path
