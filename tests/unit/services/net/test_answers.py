"""What servers answer is read as UTF-8, up to a size, and is unpacked no further than that."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any

import httpx
import pytest

from config.settings import Settings
from core.alert import Alert, Notice
from core.errors import ServiceError
from core.paths import Bucket
from services.accounts.asking import ask
from services.accounts.verdicts import UNREACHABLE
from services.alerts.webhooks import Slack
from services.clips.base import Succeeded
from services.clips.wavespeed import WavespeedVeo
from services.films.shotstack import SHOTSTACK, Shotstack
from services.images.base import ImageRequest, ImageUrl
from services.images.gemini import GeminiImages
from services.images.seedream import Seedream
from services.net.downloads import Downloads
from services.net.http import new_client, service_error
from services.supabase.client import Supabase
from tests.support.server import Server, response, without_end

MIB = 1024 * 1024
PICTURE = ImageRequest("A cat by a door", "16:9")
RESULT = "/predictions/clip-1/result"

pytestmark = pytest.mark.usefixtures("no_waits")


@pytest.fixture(name="settings")
def _settings(settings: Callable[..., Settings], provider: Server) -> Settings:
    """Every service is `provider`."""
    found = settings(
        SUPABASE_URL=provider.url(""),
        BYTEPLUS_API_KEY="ark-key-1234",
        BYTEPLUS_ARK_BASE_URL=provider.url(""),
        GOOGLE_AI_API_KEY="google-key-1234",
        GOOGLE_GEMINI_BASE_URL=provider.url(""),
        SHOTSTACK_API_KEY="shotstack-key-1234",
        SHOTSTACK_API_URL=provider.url(""),
        WAVESPEED_API_KEY="wavespeed-key-1234",
        SLACK_WEBHOOK_URL=provider.url("/slack"),
    )
    object.__setattr__(found, "wavespeed_url", provider.url(""))
    return found


@pytest.fixture
async def veo(settings: Settings) -> AsyncIterator[WavespeedVeo]:
    assert settings.wavespeed_key is not None
    found = WavespeedVeo(settings, settings.wavespeed_key)
    yield found
    await found.aclose()


@pytest.fixture
async def seedream(settings: Settings) -> AsyncIterator[Seedream]:
    assert settings.byteplus_key is not None
    found = Seedream(settings, settings.byteplus_key, Downloads(settings))
    yield found
    await found.aclose()


@pytest.fixture
async def supabase(settings: Settings) -> AsyncIterator[Supabase]:
    found = Supabase(settings)
    await found.load()
    yield found
    await found.aclose()


@cache
def bomb(mib: int = 64) -> bytes:
    """A thousandth of what it unpacks to."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    head = packer.compress(b'{"data":[{"url":"https://media.example.com/')
    block = b"a" * MIB
    return head + b"".join(packer.compress(block) for _ in range(mib)) + packer.flush()


def completed(url: str = "https://media.example.com/a.mp4") -> bytes:
    return json.dumps({"data": {"status": "completed", "outputs": [url]}}).encode()


@pytest.mark.parametrize("charset", ["punycode", "utf-16", "idna", "unicode_escape", "zip"])
async def test_text_is_utf8_whatever_the_header_says(
    provider: Server, settings: Settings, charset: str
) -> None:
    """`a-` and 200,000 letters in punycode hold the event loop up for 15 s."""
    body = "kein Zugang für a-b\\u0041".encode() + b"\xff"
    head = {"status": "403 Forbidden", "content_type": f"text/plain; charset={charset}"}
    provider.on("/", response(body, **head))
    async with new_client(
        settings, service="Vendor", timeout=httpx.Timeout(5), base_url=provider.url("")
    ) as client:
        answered = await client.get("/")
    error = service_error("Vendor", "say", answered)
    assert str(error) == "kein Zugang für a-b\\u0041\ufffd"


async def test_answers_are_asked_for_as_they_are(provider: Server, veo: WavespeedVeo) -> None:
    provider.on(RESULT, response(completed()))
    await veo.status("clip-1")
    [request] = provider.requests
    assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress), ("x-GZIP", gzip.compress), ("deflate", zlib.compress)],
    ids=["gzip", "x-gzip", "deflate"],
)
async def test_a_server_that_compresses_unasked_is_understood(
    provider: Server, veo: WavespeedVeo, encoding: str, packed: Callable[[bytes], bytes]
) -> None:
    url = "https://media.example.com/" + "a" * 100_000
    provider.on(RESULT, response(packed(completed(url)), content_encoding=encoding))
    assert await veo.status("clip-1") == Succeeded(url)


async def test_rows_that_come_compressed_are_read(provider: Server, supabase: Supabase) -> None:
    rows = [{"id": number} for number in range(1000)]
    packed = gzip.compress(json.dumps(rows).encode())
    head = {"content_encoding": "gzip", "content_type": "application/json"}
    provider.on("/rest/v1/x", response(packed, **head))
    found = await supabase.query("read", lambda db: db.from_("x").select("id").execute())
    assert found == rows


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", b"\x0b\x02\x80{}\x03"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
        ("gzip", b"{}"),
        ("gzip", gzip.compress(b"{}")[:-9]),
    ],
    ids=["brotli", "twice", "not at all", "cut off"],
)
async def test_what_cannot_be_unpacked_says_so_and_passes(
    provider: Server, veo: WavespeedVeo, encoding: str, body: bytes
) -> None:
    damaged = response(body, content_encoding=encoding)
    provider.on(RESULT, *[damaged] * 3)
    with pytest.raises(ServiceError) as caught:
        await veo.status("clip-1")
    said = (
        "Wavespeed gave an answer that is compressed, without being requested so, "
        "and cannot be unpacked"
    )
    assert str(caught.value) == said
    assert (caught.value.retryable, caught.value.billed) == (True, False)


async def test_a_bomb_for_a_picture_is_final_and_may_be_billed(
    provider: Server, seedream: Seedream
) -> None:
    provider.on("/images/generations", response(bomb(), content_encoding="gzip"))
    tracemalloc.start()
    try:
        with pytest.raises(ServiceError) as caught:
            await seedream.generate(PICTURE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(caught.value) == "Seedream gave an answer that is larger than 4 MiB"
    assert (caught.value.retryable, caught.value.billed) == (False, True)
    assert len(provider.requests) == 1
    assert peak < 16 * MIB


async def test_a_bomb_for_a_question_passes(provider: Server, settings: Settings) -> None:
    provider.on("/render/r-1", response(bomb(), content_encoding="gzip"))
    assert settings.shotstack_key is not None
    shotstack = Shotstack(settings, settings.shotstack_key)
    with pytest.raises(ServiceError, match=r"is larger than 4 MiB$") as caught:
        await shotstack.state("r-1")
    await shotstack.aclose()
    assert (caught.value.retryable, caught.value.billed) == (True, False)


async def test_an_answer_without_end_is_not_read_on(provider: Server, supabase: Supabase) -> None:
    async def flood(writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[")
        await without_end(writer, b"1," * 32_768)

    provider.on("/rest/v1/x", flood)
    with pytest.raises(ServiceError, match=r"^Supabase gave an answer that is larger than 4 MiB$"):
        await supabase.query("read", lambda db: db.from_("x").select("id").execute())


@pytest.mark.parametrize("encoding", ["gzip", "identity", "br"])
async def test_an_error_with_a_large_body_is_judged_by_its_status(
    provider: Server, seedream: Seedream, encoding: str
) -> None:
    """The picture was not made: the same request goes out again."""
    body = bomb(8) if encoding == "gzip" else b"<" * 8 * MIB
    away = response(body, status="408 Request Timeout", content_encoding=encoding)
    made = response(b'{"data":[{"url":"https://media.example.com/a.jpg"}]}')
    provider.on("/images/generations", away, made)
    assert await seedream.generate(PICTURE) == ImageUrl("https://media.example.com/a.jpg")


async def test_an_error_of_the_storage_is_bounded_too(
    provider: Server, supabase: Supabase, tmp_path: Any
) -> None:
    refusal = response(bomb(), status="400 Bad Request", content_encoding="gzip")
    provider.on("/storage/v1/object/user-videos/videos/u/v.mp4", refusal)
    tracemalloc.start()
    try:
        with pytest.raises(ServiceError):
            await supabase.download_to(
                Bucket.VIDEOS, "videos/u/v.mp4", tmp_path / "v", max_bytes=MIB
            )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


async def test_a_picture_within_an_answer_may_be_as_large_as_pictures_are(
    provider: Server, settings: Settings
) -> None:
    """14 MB of base64: the largest that the bucket takes."""
    data = "iVBORw0KGgoAAAAA" + "A" * 14 * MIB
    part = {"inlineData": {"mimeType": "image/png", "data": data}}
    answer = {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}
    path = f"/v1/models/{settings.gemini_image_model}:generateContent"
    for version in ("v1", "v1beta"):
        provider.on(path.replace("v1", version), response(json.dumps(answer).encode()))
    assert settings.google_key is not None
    downloads = Downloads(settings)
    gemini = GeminiImages(settings, settings.google_key, downloads)
    picture = await gemini.generate(PICTURE)
    await gemini.aclose()
    await downloads.aclose()
    assert len(picture.data) > 10 * MIB


async def test_what_a_webhook_answers_is_bounded(provider: Server, settings: Settings) -> None:
    provider.on("/slack", response(bomb(), content_encoding="gzip"))
    assert settings.slack_webhook is not None
    slack = Slack(settings, settings.slack_webhook)
    with pytest.raises(ServiceError, match=r"^Slack gave an answer that is larger than 4 MiB$"):
        await slack.send(Notice(Alert("kind", "text", "error"), "text"))
    await slack.aclose()


async def test_a_key_is_not_known_after_a_bomb(provider: Server, settings: Settings) -> None:
    provider.on(
        "/render/00000000-0000-4000-8000-000000000000", response(bomb(), content_encoding="gzip")
    )
    assert settings.shotstack_key is not None
    questions = SHOTSTACK.questions(settings)
    [answer] = await ask(SHOTSTACK, settings, settings.shotstack_key, questions)
    assert answer.row is UNREACHABLE
    assert answer.quoted == "Shotstack gave an answer that is larger than 4 MiB"
