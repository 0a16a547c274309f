"""What lies in storage: whole, the right one, and there when a row says so."""

import asyncio
import hashlib
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from PIL import Image

from core import paths
from core.paths import Bucket
from sandbox.chaos.ledger import Violation
from sandbox.chaos.purchases import MARK
from sandbox.chaos.rows import all_rows
from sandbox.processes import LOOPBACK
from sandbox.providers.drawing.clips import ffmpeg
from sandbox.providers.files.store import MEDIA_HOST
from sandbox.providers.server import Providers
from sandbox.supabase import SupabaseLite

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Expected:
    """An object by its row. `source` is where its bytes came from, None for what was made.

    `says` are the row's words for "it is there", if it has them; `size_bytes` as the row has it.
    """

    bucket: Bucket
    path: str
    about: str
    kind: Literal["copy", "picture", "film"] = "copy"
    source: str | None = None
    says: bool = False
    size_bytes: int | None = None
    mark: str | None = None


class Objects:
    """Reads storage as a browser would, and the providers' files as the worker did."""

    def __init__(
        self, supabase: SupabaseLite, providers: Providers, marks: dict[tuple[str, int, int], str]
    ) -> None:
        self._supabase = supabase
        self._marks = marks
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._storage = httpx.AsyncClient(base_url=supabase.url, trust_env=False, timeout=60)
        self._media = httpx.AsyncClient(
            base_url=f"https://{LOOPBACK}:{providers.media_port}",
            headers={"host": f"{MEDIA_HOST}:{providers.media_port}"},
            verify=ssl.create_default_context(cafile=str(providers.ca_file)),
            trust_env=False,
            timeout=60,
        )
        self.checked = 0

    async def violations(self) -> list[Violation]:
        """Look at every object that a row could have."""
        expected = [*await self._storyboards(), *await self._videos(), *await self._of_projects()]
        async with self._storage, self._media:
            found = await asyncio.gather(*(self._checked(one) for one in expected))
        return [
            Violation("objects are whole", f"{one.bucket}/{one.path} {problem}", (one.about,))
            for one, problem in zip(expected, found, strict=True)
            if problem
        ]

    async def _checked(self, expected: Expected) -> str | None:
        async with self._slots:
            content = await self._stored(expected)
            if content is None:
                return "is not there, though its row says so" if expected.says else None
            self.checked += 1
            size = expected.size_bytes
            if expected.says and size is not None and size != len(content):
                return f"has {len(content)} bytes, its row says {size}"
            return await self._content_problem(expected, content)

    async def _stored(self, expected: Expected) -> bytes | None:
        url = f"/storage/v1/object/public/{expected.bucket}/{expected.path}"
        answer = await self._storage.get(url)
        return answer.content if answer.is_success else None

    async def _content_problem(self, expected: Expected, content: bytes) -> str | None:
        if expected.kind == "film":
            return await asyncio.to_thread(film_problem, content)
        if expected.kind == "picture":
            return await asyncio.to_thread(picture_problem, content)
        source = await self._source(expected.source or "")
        if hashlib.sha256(content).digest() != hashlib.sha256(source).digest():
            return f"differs from its source: {len(content)} bytes, not {len(source)}"
        return await asyncio.to_thread(mark_problem, content, expected.mark)

    async def _source(self, url: str) -> bytes:
        parts = urlsplit(url)
        extensions = {"sni_hostname": MEDIA_HOST}
        target = f"{parts.path}?{parts.query}".removesuffix("?")
        answer = await self._media.get(target, extensions=extensions)
        return answer.raise_for_status().content

    async def _owners(self) -> dict[str, str]:
        rows = await all_rows(self._supabase, "video_agent_projects", select="id,user_id")
        return {row["id"]: row["user_id"] for row in rows}

    async def _storyboards(self) -> list[Expected]:
        owners = await self._owners()
        rows = await all_rows(self._supabase, "project_storyboards")
        return [self._storyboard(row, owners[row["project_id"]]) for row in rows]

    def _storyboard(self, row: dict[str, Any], user: str) -> Expected:
        project, shot = row["project_id"], row["shot_number"]
        return Expected(
            Bucket.IMAGES,
            paths.storyboard_image(user, project, shot, row["id"]),
            about=project,
            source=row["image_url_external"],
            says=row["storage_status"] == "completed",
            size_bytes=row["file_size"],
            mark=self._marks.get((project, shot, row["version"])),
        )

    async def _videos(self) -> list[Expected]:
        rows = await all_rows(self._supabase, "user_videos")
        return [one for row in rows for one in _of_video(row)]

    async def _of_projects(self) -> list[Expected]:
        """Clips and final videos."""
        projects = await all_rows(self._supabase, "video_agent_projects")
        owners = {row["id"]: row["user_id"] for row in projects}
        clips = await all_rows(self._supabase, "project_video_clips")
        stored = [_clip(row, owners[row["project_id"]]) for row in clips]
        return [*(one for one in stored if one.source), *map(_film, projects)]


def _of_video(row: dict[str, Any]) -> Iterator[Expected]:
    user, video = row["user_id"], row["id"]
    yield Expected(
        Bucket.VIDEOS,
        paths.user_video(user, video),
        about=video,
        source=row["original_url"],
        says=row["status"] == "completed",
        size_bytes=row["file_size"],
    )
    yield Expected(
        Bucket.THUMBNAILS,
        paths.thumbnail(user, video),
        about=video,
        kind="picture",
        says=bool(row["thumbnail_path"]),
    )


def _clip(row: dict[str, Any], user: str) -> Expected:
    project = row["project_id"]
    generation = row["seedance_task_id"] or row["video_request_id"] or row["video_url_external"]
    return Expected(
        Bucket.VIDEOS,
        paths.clip_video(user, project, row["shot_number"], row["id"], generation or ""),
        about=project,
        source=row["video_url_external"],
        says=row["storage_status"] == "completed",
    )


def _film(row: dict[str, Any]) -> Expected:
    return Expected(
        Bucket.VIDEOS,
        paths.final_video(row["user_id"], row["id"]),
        about=row["id"],
        kind="film",
        says=row["step_6_status"] == "completed",
        size_bytes=row["final_video_file_size"],
    )


def film_problem(content: bytes) -> str | None:
    """What ffmpeg says when it decodes all of a video; None when that is nothing."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "film.mp4"
        file.write_bytes(content)
        command = [ffmpeg(), "-nostdin", "-v", "error", "-xerror", "-i", file, "-f", "null", "-"]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    said = done.stderr.decode(errors="replace").strip()
    return f"cannot be decoded: {said[:200]}" if said or done.returncode else None


def picture_problem(content: bytes) -> str | None:
    """Why a picture cannot be decoded to its end; None when it can."""
    try:
        with Image.open(BytesIO(content)) as picture:
            picture.load()
    except (OSError, ValueError) as error:
        return f"cannot be decoded: {error}"
    return None


def mark_problem(content: bytes, mark: str | None) -> str | None:
    """Whether a storyboard is the one that was asked for: its comment holds the scene's text."""
    if mark is None:
        return None
    with Image.open(BytesIO(content)) as picture:
        comment: bytes = picture.info.get("comment", b"")
    found = MARK.search(comment.decode(errors="replace"))
    shown = found.group() if found else "no mark"
    return None if shown == mark else f"shows {shown} where {mark} was asked for"
