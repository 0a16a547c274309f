"""The files behind a project's clips.

Objects in our own storage are read through its API with the service key: the operator configured
that address, so it may be plain http and internal. Every other address is untrusted and goes
through the download guard.
"""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import UnsafeUrl
from core.paths import Bucket, PlainId, StoredObject
from services.net.content import HEAD_BYTES, Kind, content_type_of

if TYPE_CHECKING:
    from services.net.downloads import Downloads
    from services.supabase.client import Supabase

# A clip of 15 s in 4K takes some 50 MB.
MAX_CLIP_BYTES = 500 * 1024 * 1024
_DEADLINE = timedelta(minutes=5)


class ClipFiles:
    """Fetches clips to this machine."""

    def __init__(self, supabase: "Supabase", downloads: "Downloads") -> None:
        self._supabase = supabase
        self._downloads = downloads

    async def fetch(
        self, url: str, owner: PlainId, into: Path, *, with_google_key: bool = False
    ) -> Path:
        """Write the clip at `url` to `into`; `owner` is the project's user.

        Raises UnsafeUrl, UnusableContent, RetryableError, UnrecoverableError or ServiceError.
        """
        stored = self.own_object(url, owner)
        if stored is None:
            await self._downloads.fetch(
                url,
                into,
                max_bytes=MAX_CLIP_BYTES,
                accept=Kind.VIDEO,
                deadline=_DEADLINE,
                with_google_key=with_google_key,
            )
            return into
        await self._supabase.download_to(stored.bucket, stored.path, into, max_bytes=MAX_CLIP_BYTES)
        with into.open("rb") as stream:
            content_type_of(stream.read(HEAD_BYTES), Kind.VIDEO)
        return into

    def own_object(self, url: str, owner: PlainId) -> StoredObject | None:
        """The clip of `owner` that a URL of our own storage serves, None for a URL elsewhere.

        Raises UnsafeUrl for anything else in our own storage.
        """
        stored = self._supabase.object_of(url)
        if stored is None and not self._supabase.serves(url):
            return None
        if stored is None or stored.bucket != Bucket.VIDEOS or not stored.is_under(owner):
            raise UnsafeUrl("the stored clip does not belong to the project's user")
        return stored
