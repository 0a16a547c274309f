"""Google's files want a key; it goes to Google's host, over https, and nowhere else."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from config.settings import Settings
from core.errors import UnrecoverableError, UnsafeUrl
from services.net.content import Kind
from services.net.downloads import Downloads

KEY = "google-key-1234"
HEADER = "x-goog-api-key"
GOOGLE = "generativelanguage.googleapis.com"

Response = Callable[..., bytes]


@pytest.fixture
async def client(settings: Callable[..., Settings], media: Any) -> AsyncIterator[Downloads]:
    hosts = ",".join(f"{name}:{media.port}=127.0.0.1" for name in ("media.example.com", GOOGLE))
    found = Downloads(settings(DOWNLOAD_ALLOWED_HOSTS=hosts, GOOGLE_AI_API_KEY=KEY))
    yield found
    await found.aclose()


async def fetch(client: Downloads, url: str, *, with_google_key: bool = True) -> None:
    async with client.stream(
        url, max_bytes=2**20, accept=Kind.IMAGE, with_google_key=with_google_key
    ) as arriving:
        assert [chunk async for chunk in arriving.chunks]


def google(media: Any, target: str) -> str:
    return f"https://{GOOGLE}:{media.port}{target}"


@pytest.fixture
def keys(media: Any) -> Callable[[], list[str | None]]:
    return lambda: [request.headers.get(HEADER) for request in media.requests]


@pytest.fixture(autouse=True)
def _picture(media: Any, response: Response, pictures: dict[str, bytes]) -> None:
    media.on("/a", response(pictures["image/jpeg"]))


async def test_the_key_goes_to_google_alone(client: Downloads, media: Any, keys: Any) -> None:
    await fetch(client, google(media, "/a"))
    await fetch(client, media.url("/a"))
    assert keys() == [KEY, None]
    assert all(KEY not in request.target for request in media.requests)


async def test_an_address_that_google_did_not_give_us_sees_no_key(
    client: Downloads, media: Any, keys: Any
) -> None:
    await fetch(client, google(media, "/a"), with_google_key=False)
    assert keys() == [None]


async def test_a_redirect_at_google_keeps_the_key(
    client: Downloads, media: Any, response: Response, keys: Any
) -> None:
    media.on("/b", response(b"", status="302 Found", location="/a"))
    await fetch(client, google(media, "/b"))
    assert keys() == [KEY, KEY]


async def test_a_redirect_leads_the_key_nowhere(
    client: Downloads, media: Any, response: Response, keys: Any
) -> None:
    """Away from Google it is dropped, and a way back does not bring it again."""
    media.on("/b", response(b"", status="302 Found", location=media.url("/c")))
    media.on("/c", response(b"", status="302 Found", location=google(media, "/a")))
    await fetch(client, google(media, "/b"))
    await fetch(client, media.url("/c"))
    assert keys() == [KEY, None, None, None, None]


async def test_plain_http_is_not_asked_at_all(
    client: Downloads, media: Any, response: Response, keys: Any
) -> None:
    with pytest.raises(UnsafeUrl):
        await fetch(client, f"http://{GOOGLE}:{media.port}/a")
    media.on("/b", response(b"", status="302 Found", location=f"http://{GOOGLE}/a"))
    with pytest.raises(UnsafeUrl):
        await fetch(client, google(media, "/b"))
    assert keys() == [KEY]


async def test_the_key_is_in_no_message(client: Downloads, media: Any, response: Response) -> None:
    media.on("/b", response(KEY.encode(), status="403 Forbidden"))
    with pytest.raises(UnrecoverableError) as raised:
        await fetch(client, google(media, "/b"))
    assert KEY not in str(raised.value)
