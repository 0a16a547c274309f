"""Sources that do not say how long they are; all else is in tests/integration/test_transfers.py."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from core.errors import RetryableError, ServiceError
from services.bundle import Services
from services.storage.transfers import Stored, Transfer

PATH = "videos/u/v.mp4"
OBJECT = f"/storage/v1/object/user-videos/{PATH}"

FILM = (
    b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp41"
    + (8 + 300_000).to_bytes(4)
    + b"mdat"
    + b"film" * 75_000
    + b"\x00\x00\x00\x10moov12345678"
)

Store = Callable[[str], Any]
Response = Callable[..., bytes]


@pytest.fixture
async def store(
    settings: Callable[..., Settings], media: Any, provider: Any, tmp_path: Path, response: Response
) -> AsyncIterator[Store]:
    services = Services(
        settings(
            SUPABASE_URL=provider.url(""),
            DOWNLOAD_ALLOWED_HOSTS=f"media.example.com:{media.port}=127.0.0.1",
        )
    )
    provider.on(OBJECT, response(b'{"Key": "k"}'))

    async def store(url: str) -> Stored:
        return await services.transfers.run(Transfer(url, PATH, tmp_path / "spool"))

    yield store
    await services.aclose()


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


async def test_a_body_without_a_length(
    store: Store, media: Any, provider: Any, response: Response
) -> None:
    answer = response(chunked(FILM), length=None, transfer_encoding="chunked")
    stored = await store(media.on("/a.mp4", answer))
    [request] = provider.requests
    assert stored.size_bytes == len(FILM)
    assert request.line == f"POST {OBJECT} HTTP/1.1"
    assert request.body == FILM
    sent = {name: request.headers[name] for name in EXPECTED}
    assert sent == EXPECTED
    assert stored.url == provider.url(f"/storage/v1/object/public/user-videos/{PATH}")


EXPECTED = {
    "content-length": str(len(FILM)),
    "content-type": "video/mp4",
    "cache-control": "max-age=3600",
    "x-upsert": "true",
    "apikey": "supabase-key",
    "authorization": "Bearer supabase-key",
}


@pytest.mark.parametrize("missing", [1, 16, 17, 1000])
async def test_one_that_ends_early_is_not_sent(
    store: Store, media: Any, provider: Any, response: Response, missing: int
) -> None:
    url = media.on("/a.mp4", response(FILM[:-missing], length=None))
    with pytest.raises(RetryableError, match="cut off before its end"):
        await store(url)
    assert provider.requests == []


@pytest.mark.parametrize("trailer", [b"x", b"trailing notes of an editor", bytes(100)])
async def test_what_is_appended_to_a_film_is_kept(
    store: Store, media: Any, provider: Any, response: Response, trailer: bytes
) -> None:
    await store(media.on("/a.mp4", response(FILM + trailer)))
    assert provider.requests[0].body == FILM + trailer


async def test_what_storage_says_is_passed_on(
    store: Store, media: Any, provider: Any, response: Response
) -> None:
    """HTTP 400 for nearly everything, the true status in the body."""
    said = b'{"statusCode":"413","error":"Payload too large","message":"The object is too large"}'
    provider.on(OBJECT, response(said, status="400 Bad Request"))
    with pytest.raises(ServiceError) as raised:
        await store(media.on("/a.mp4", response(FILM)))
    error = raised.value
    assert str(error) == "Supabase refused to store the video: The object is too large"
    assert (error.status, error.retryable) == (413, False)
    assert len(provider.requests) == 1


@pytest.mark.usefixtures("no_waits")
async def test_a_page_of_a_gateway_is_tried_again(
    store: Store, media: Any, provider: Any, response: Response
) -> None:
    page = response(b"<html>Bad gateway</html>", status="502 Bad Gateway")
    provider.on(OBJECT, page, page, response(b"{}"))
    await store(media.on("/a.mp4", response(FILM)))
    assert [request.body for request in provider.requests] == [FILM] * 3
    assert len(media.requests) == 1
