"""Objects of the project's own storage, streamed to disk."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import NotFound, ServiceError, UnusableContent
from core.paths import Bucket
from services.supabase.client import Supabase

PATH = "videos/user-1/video-1.mp4"
PLACE = f"/storage/v1/object/user-videos/{PATH}"
CONTENT = bytes(range(256)) * 4096


@pytest.fixture
async def supabase(provider: Any, settings: Any, no_waits: None) -> AsyncIterator[Supabase]:
    service = Supabase(settings(SUPABASE_URL=provider.url("")))
    yield service
    await service.aclose()


async def fetch(supabase: Supabase, file: Path, max_bytes: int = len(CONTENT)) -> bytes:
    await supabase.download_to(Bucket.VIDEOS, PATH, file, max_bytes=max_bytes)
    return file.read_bytes()  # noqa: ASYNC240 (a test waits for nothing else)


async def test_an_object_is_fetched_with_the_service_key(
    provider: Any, supabase: Supabase, response: Any, tmp_path: Path
) -> None:
    provider.on(PLACE, response(CONTENT))
    assert await fetch(supabase, tmp_path / "file") == CONTENT
    [request] = provider.requests
    assert request.headers["authorization"] == "Bearer supabase-key"
    assert request.headers["apikey"] == "supabase-key"


async def test_what_breaks_off_or_is_away_is_fetched_anew(
    provider: Any, supabase: Supabase, response: Any, tmp_path: Path
) -> None:
    cut_off = response(CONTENT[:9], length=len(CONTENT))
    away = response(b"<html>bad gateway</html>", status="502 Bad Gateway")
    provider.on(PLACE, cut_off, away, response(CONTENT))
    assert await fetch(supabase, tmp_path / "file") == CONTENT
    assert len(provider.requests) == 3


@pytest.mark.parametrize("length", [-1, None])
async def test_what_is_too_large_is_refused(
    provider: Any, supabase: Supabase, response: Any, tmp_path: Path, length: int | None
) -> None:
    provider.on(PLACE, response(CONTENT, length=length))
    with pytest.raises(UnusableContent, match=r"^The stored file is larger than 0\.5 MiB$"):
        await fetch(supabase, tmp_path / "file", max_bytes=512 * 1024)
    assert (tmp_path / "file").stat().st_size <= 512 * 1024


async def test_refusals_are_read_from_the_body(
    provider: Any, supabase: Supabase, response: Any, tmp_path: Path
) -> None:
    """Storage answers 400 for nearly everything."""
    missing = b'{"statusCode": "404", "error": "not_found", "message": "Object not found"}'
    provider.on(PLACE, response(missing, status="400 Bad Request"))
    with pytest.raises(NotFound, match=f"^The bucket user-videos holds no {PATH}$"):
        await fetch(supabase, tmp_path / "file")
    denied = b'{"statusCode": "403", "error": "Unauthorized", "message": "invalid signature"}'
    provider.on(PLACE, response(denied, status="400 Bad Request"))
    with pytest.raises(ServiceError, match="invalid signature") as caught:
        await fetch(supabase, tmp_path / "file")
    assert (caught.value.status, caught.value.retryable) == (403, False)
    assert len(provider.requests) == 2
