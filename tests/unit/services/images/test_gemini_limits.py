"""What Gemini takes, how its answers end, and its quotas."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.alert import Alert
from core.errors import ContentRejected, ProviderDown, ServiceError
from core.people import Cause
from sandbox.providers.vendors.errors import google_quota_error
from services.images.base import ImageRequest
from services.images.gemini import GeminiImages
from tests.support.gemini import MODEL, answer, inline, path_of, says
from tests.support.server import Server, response

NewGemini = Callable[..., GeminiImages]

REQUEST = ImageRequest("A cat by a door", "16:9")
TOO_MANY = "429 Too Many Requests"
MIB = 1024 * 1024

pytestmark = pytest.mark.usefixtures("no_waits")


@pytest.mark.parametrize(
    ("model", "size"),
    [
        (MODEL, "2K"),
        (f"{MODEL}-preview", "2K"),
        ("gemini-3-pro-image", "2K"),
        ("gemini-nano-banana-2.1", "2K"),
        ("gemini-2.5-flash-image", None),
        ("gemini-3.1-flash-lite-image", None),
        ("a-model-of-tomorrow", None),
    ],
)
async def test_a_large_picture_is_asked_of_models_that_make_them(
    new_gemini: NewGemini,
    provider: Server,
    pictures: dict[str, bytes],
    model: str,
    size: str | None,
) -> None:
    says(provider, answer(inline(pictures["image/png"])), model=model)
    await new_gemini(GEMINI_IMAGE_MODEL=model).generate(REQUEST)
    [request] = provider.requests
    config = {"aspectRatio": "16:9"} | ({"imageSize": size} if size else {})
    assert request.json["generationConfig"]["imageConfig"] == config


async def test_references_are_sent_while_a_request_has_room(
    gemini: GeminiImages,
    provider: Server,
    media: Server,
    pictures: dict[str, bytes],
    logged: Any,
) -> None:
    """100 MB in base64 are ten of 7 MiB; those after them are named."""
    end = b"\xff\xd9"
    large = response(pictures["image/jpeg"].ljust(7 * MIB - len(end), b"\0") + end)
    urls = tuple(media.on(f"/{number}.jpg", large) for number in range(1, 13))
    signed = (*urls[:11], f"{urls[11]}?token=secret")
    says(provider, answer(inline(pictures["image/png"])))
    picture = await gemini.generate(ImageRequest("Many cats", "16:9", signed))
    assert picture.left_out == 2
    [request] = provider.requests
    assert len(request.body) < 100_000_000
    assert len(request.json["contents"][0]["parts"]) == 1 + 10
    [line] = [line for line in logged.lines if "left out" in line]
    assert line.endswith(f": {urls[10]}, {urls[11]}\n")


@pytest.mark.parametrize(
    "end",
    [
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
    ],
)
async def test_an_end_that_is_about_the_content_is_a_refusal(
    gemini: GeminiImages, provider: Server, end: str
) -> None:
    says(provider, answer(end=end))
    with pytest.raises(ContentRejected, match=f"Gemini refused the picture: {end}$"):
        await gemini.generate(REQUEST)


@pytest.mark.filterwarnings("ignore:.* is not a valid FinishReason")
@pytest.mark.parametrize(
    "end",
    [
        "OTHER",
        "IMAGE_OTHER",
        "MAX_TOKENS",
        "MALFORMED_RESPONSE",
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "ESCALATION",
        "CONTINUATION",
        "A_WORD_OF_TOMORROW",
    ],
)
async def test_any_other_end_refuses_nothing_and_is_not_bought_again(
    gemini: GeminiImages, provider: Server, end: str
) -> None:
    """Google charges for tokens that it answered with."""
    says(provider, answer(end=end))
    with pytest.raises(ServiceError, match=rf"without a picture \({end}\)$") as raised:
        await gemini.generate(REQUEST)
    assert (raised.value.retryable, raised.value.billed) == (False, True)
    assert raised.value.cause is Cause.NO_RESULT
    assert len(provider.requests) == 1


async def test_an_account_that_is_disabled_lets_jobs_wait(
    gemini: GeminiImages, provider: Server, alerts: list[Alert]
) -> None:
    says(provider, answer(end="PUP_LIMITED_DISABLED"))
    for _ in range(3):
        with pytest.raises(ProviderDown, match="Gemini refuses this account"):
            await gemini.generate(REQUEST)
    assert len(provider.requests) == 1
    [alert] = alerts
    assert "Gemini refused the account: PUP_LIMITED_DISABLED" in alert.text


async def test_a_quota_of_a_minute_holds_calls_back_for_as_long_as_the_body_says(
    gemini: GeminiImages, provider: Server, alerts: list[Alert]
) -> None:
    """More than a call waits: its job goes back, and nobody asks meanwhile."""
    says(provider, google_quota_error("Minute", "42.5s").body, status=TOO_MANY)
    for _ in range(2):
        with pytest.raises(ProviderDown, match="Gemini has reached its limit") as raised:
            await gemini.generate(REQUEST)
        assert 40 < raised.value.delay.total_seconds() <= 42.5 + 5
    assert len(provider.requests) == 1
    assert alerts == []


async def test_a_quota_that_is_free_again_soon_is_waited_for(
    gemini: GeminiImages, provider: Server, pictures: dict[str, bytes]
) -> None:
    busy = json.dumps(google_quota_error("Minute", "7s").body).encode()
    picture = json.dumps(answer(inline(pictures["image/png"]))).encode()
    provider.on(path_of(), response(busy, status=TOO_MANY), response(picture))
    assert (await gemini.generate(REQUEST)).content_type == "image/png"
    assert len(provider.requests) == 2


@pytest.mark.parametrize("is_zero", [False, True])
async def test_a_quota_that_no_wait_helps_is_the_accounts_and_people_hear_of_it_once(
    gemini: GeminiImages, provider: Server, alerts: list[Alert], is_zero: bool
) -> None:
    body = google_quota_error("Day", "13.6s", is_zero=is_zero).body
    says(provider, body, status=TOO_MANY)
    for _ in range(3):
        with pytest.raises(ProviderDown, match="Gemini refuses this account"):
            await gemini.generate(REQUEST)
    assert len(provider.requests) == 1
    [alert] = alerts
    assert alert.text.startswith("🔑 Gemini refuses this account, jobs that need it wait: You ")
    assert alert.text.endswith("Check its quota and that billing is on, its key and its model")
