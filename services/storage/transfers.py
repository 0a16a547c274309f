"""Copies videos from a guarded URL to object storage.

    source ──> spool on disk ──> storage      both at once
                      └──> ffmpeg, retries    without a second download

When the source fails, the upload is aborted before its last byte, and the server stores nothing.
"""

import asyncio
import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from core.concurrent import both_or_neither
from core.paths import Bucket
from services.net.content import Kind, check_video_complete
from services.storage.spool import Spool, Upload, spooled

if TYPE_CHECKING:
    from services.net.downloads import Downloads, StreamingBody
    from services.storage.uploads import Uploads
    from services.supabase.client import Supabase

# The limit of the bucket for videos, and of a standard upload.
MAX_VIDEO_BYTES = 5 * 1024 * 1024 * 1024
MP4 = "video/mp4"

# The jobs' own time limits are no longer than this; a stalled body times out much earlier.
_DEADLINE = timedelta(minutes=30)
_VIDEO_TYPE = re.compile(r"video/[a-z0-9.+-]{1,60}")


@dataclass(frozen=True, slots=True)
class Stored:
    """A complete object; `file` holds the same bytes on this machine."""

    file: Path
    path: str
    url: str
    size_bytes: int


@dataclass(slots=True)
class Transfer:
    """From `url` to `path` through the new file `spool_file`.

    `content_type` None means the served one, if it is a video's. `with_google_key`: see Downloads.
    """

    url: str
    path: str
    spool_file: Path
    content_type: str | None = None
    with_google_key: bool = False
    _upload: Upload | None = field(default=None, init=False)

    @property
    def percent(self) -> int:
        """The progress: half of it is the download, half the upload."""
        if self._upload is None:
            return 0
        done_bytes = self._upload.spool.received_bytes + self._upload.sent_bytes
        return done_bytes * 100 // (2 * self._upload.size_bytes)

    async def upload_of(self, spool: Spool, body: "StreamingBody") -> Upload:
        """The upload, once the size is known."""
        size = await spool.known_size()
        self._upload = Upload(
            spool, Bucket.VIDEOS, self.path, size, self.content_type or _type_of(body)
        )
        return self._upload


class Transfers:
    """Stores videos in the bucket `user-videos`, replacing existing ones."""

    def __init__(self, downloads: "Downloads", uploads: "Uploads", supabase: "Supabase") -> None:
        self._downloads = downloads
        self._uploads = uploads
        self._supabase = supabase

    async def run(self, transfer: Transfer) -> Stored:
        """Store the video. Raises what `Downloads` raises, or ServiceError; nothing is stored then.

        The caller owns the spool file, and may read it.
        """
        async with self._downloads.stream(
            transfer.url,
            max_bytes=MAX_VIDEO_BYTES,
            accept=Kind.VIDEO,
            deadline=_DEADLINE,
            with_google_key=transfer.with_google_key,
        ) as body:
            with spooled(transfer.spool_file, body.size_bytes) as spool:
                await both_or_neither(_fill(spool, body), self._send(transfer, spool, body))
        url = await self._supabase.public_url(Bucket.VIDEOS, transfer.path)
        return Stored(transfer.spool_file, transfer.path, url, spool.received_bytes)

    async def _send(self, transfer: Transfer, spool: Spool, body: "StreamingBody") -> None:
        await self._uploads.send(await transfer.upload_of(spool, body))


async def _fill(spool: Spool, body: "StreamingBody") -> None:
    async for chunk in body.chunks:
        await spool.write(chunk)
    await asyncio.to_thread(_check_complete, spool.path, body.content_type)
    await spool.finish()


def _check_complete(file: Path, content_type: str) -> None:
    with file.open("rb") as stream:
        check_video_complete(stream, content_type)


def _type_of(body: "StreamingBody") -> str:
    """The served type, if it is a video's; the content was checked before."""
    return body.served_type if _VIDEO_TYPE.fullmatch(body.served_type) else MP4
