from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from core.errors import UnsafeUrl, UnusableContent
from services.media.clip_files import ClipFiles
from services.supabase.client import Supabase

USER = "00000000-0000-4000-8000-000000000001"
MINE = "http://10.0.0.7:8000/storage/v1/object/public/user-videos"
MP4 = b"\x00\x00\x00\x18ftypisom...."


class Sources:
    """Stands in for both ways; keeps what was asked of them."""

    def __init__(self, content: bytes = MP4) -> None:
        self.asked: list[str] = []
        self.content = content

    async def download_to(self, bucket: str, path: str, into: Path, *, max_bytes: int) -> None:
        self.asked.append(f"{bucket}:{path}")
        self._write(into)

    async def fetch(self, url: str, into: Path, **_: Any) -> None:
        self.asked.append(url)
        self._write(into)

    def _write(self, into: Path) -> None:
        into.write_bytes(self.content)


def clip_files(settings: Callable[..., Settings], sources: Any) -> ClipFiles:
    """With the real reading of addresses and both ways of fetching replaced."""
    supabase = Supabase(settings(SUPABASE_URL="http://10.0.0.7:8000"))
    supabase.download_to = sources.download_to
    return ClipFiles(supabase, sources)


async def test_own_objects_come_by_the_storage_api(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    sources = Sources()
    url = f"{MINE}/videos/{USER}/video-agent/p/clips/shot-1.mp4?t=5"
    await clip_files(settings, sources).fetch(url, USER, tmp_path / "a")
    assert sources.asked == [f"user-videos:videos/{USER}/video-agent/p/clips/shot-1.mp4"]


@pytest.mark.parametrize(
    "path",
    [
        "videos/somebody-else/video-agent/p/clips/shot-1.mp4",
        f"videos/{USER}/../somebody-else/a.mp4",
        f"videos/{USER}/%2e%2e/somebody-else/a.mp4",
        f"videos/{USER}/..%2Fsomebody-else/a.mp4",
        f"videos/{USER}//a.mp4",
        f"videos/{USER}",
        "a.mp4",
        f"../user-images/videos/{USER}/a.mp4",
    ],
)
async def test_other_objects_are_refused(
    settings: Callable[..., Settings], tmp_path: Path, path: str
) -> None:
    sources = Sources()
    with pytest.raises(UnsafeUrl, match="does not belong to the project's user"):
        await clip_files(settings, sources).fetch(f"{MINE}/{path}", USER, tmp_path / "a")
    assert sources.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://tos.example.com/a.mp4",
        "http://10.0.0.7:8000/rest/v1/users",
        "http://10.0.0.7:8000.evil.example/storage/v1/object/public/user-videos/a.mp4",
    ],
)
async def test_all_else_goes_by_the_guard(
    settings: Callable[..., Settings], tmp_path: Path, url: str
) -> None:
    sources = Sources()
    await clip_files(settings, sources).fetch(url, USER, tmp_path / "a")
    assert sources.asked == [url]


async def test_an_own_object_has_to_be_a_video_too(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    url = f"{MINE}/videos/{USER}/video-agent/p/clips/shot-1.mp4"
    with pytest.raises(UnusableContent):
        await clip_files(settings, Sources(b"#EXTM3U file:///x")).fetch(url, USER, tmp_path / "a")
