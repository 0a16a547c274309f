"""google-genai against a server on this machine."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from config.settings import Settings
from core.errors import (
    ContentRejected,
    PermanentError,
    ProviderDown,
    ServiceError,
    UnsafeUrl,
    UnusableContent,
)
from services.accounts.asking import ask
from services.google import API_VERSION, GOOGLE
from services.images.base import ImageBytes, ImageRequest
from services.images.gemini import GeminiImages
from services.net.downloads import Downloads
from tests.support.gemini import answer, inline, path_of, refusal, says

PATH = path_of()
REQUEST = ImageRequest("A cat by a door", "9:16")

Response = Callable[..., bytes]

pytestmark = pytest.mark.usefixtures("no_waits")


async def test_the_picture_and_what_was_asked(
    gemini: GeminiImages, provider: Any, pictures: dict[str, bytes]
) -> None:
    jpeg = pictures["image/jpeg"]
    says(provider, answer({"text": "Here:"}, inline(jpeg, "image/png")))
    assert await gemini.generate(REQUEST) == ImageBytes(jpeg, "image/jpeg")
    [request] = provider.requests
    assert request.headers["x-goog-api-key"] == "google-key-1234"
    body = json.loads(request.body)
    assert body["contents"][0]["parts"] == [{"text": "A cat by a door"}]
    assert body["generationConfig"] == {
        "responseModalities": ["IMAGE"],
        "imageConfig": {"aspectRatio": "9:16", "imageSize": "2K"},
    }


async def test_check_asks_in_the_version_that_jobs_ask_in(
    gemini: GeminiImages,
    settings: Callable[..., Settings],
    provider: Any,
    pictures: dict[str, bytes],
) -> None:
    """Whatever the library's default is, and the environment says."""
    says(provider, answer(inline(pictures["image/jpeg"])))
    await gemini.generate(REQUEST)
    found = settings(GOOGLE_AI_API_KEY="g", GOOGLE_GEMINI_BASE_URL=provider.url(""))
    assert found.google_key is not None
    await ask(GOOGLE, found, found.google_key, GOOGLE.questions(found))
    job, check = (request.target for request in provider.requests)
    assert job == f"{check}:generateContent" == f"/{API_VERSION}{PATH.removeprefix('/v1beta')}"


async def test_a_draft_of_the_model_is_not_the_picture(
    gemini: GeminiImages, provider: Any, pictures: dict[str, bytes]
) -> None:
    draft = inline(pictures["image/png"], thought=True)
    says(provider, answer(draft, inline(pictures["image/webp"])))
    assert (await gemini.generate(REQUEST)).content_type == "image/webp"


async def test_references_are_fetched_and_sent(
    gemini: GeminiImages,
    provider: Any,
    media: Any,
    response: Response,
    pictures: dict[str, bytes],
) -> None:
    jpeg, png = pictures["image/jpeg"], pictures["image/png"]
    urls = (media.on("/1.jpg", response(jpeg)), media.on("/2.jpg", response(png)))
    says(provider, answer(inline(png)))
    await gemini.generate(ImageRequest("Two cats", "1:1", urls))
    [content] = json.loads(provider.requests[0].body)["contents"]
    sent = [part["inlineData"] for part in content["parts"][1:]]
    types = [part.get("mimeType") or part.get("mime_type") for part in sent]
    assert types == ["image/jpeg", "image/png"]
    assert [base64.urlsafe_b64decode(part["data"]) for part in sent] == [jpeg, png]


async def test_at_most_14_references_are_sent(
    gemini: GeminiImages,
    provider: Any,
    media: Any,
    response: Response,
    pictures: dict[str, bytes],
) -> None:
    url = media.on("/1.jpg", response(pictures["image/jpeg"]))
    says(provider, answer(inline(pictures["image/png"])))
    await gemini.generate(ImageRequest("Many cats", "1:1", (url,) * 20))
    assert len(media.requests) == 14


async def test_a_reference_that_cannot_be_had_buys_nothing(
    gemini: GeminiImages, provider: Any, media: Any, response: Response
) -> None:
    html = media.on("/1.jpg", response(b"<html></html>"))
    for url, error in [("https://127.0.0.1/1.jpg", UnsafeUrl), (html, UnusableContent)]:
        with pytest.raises(error):
            await gemini.generate(ImageRequest("p", "1:1", (url,)))
    assert provider.requests == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (answer(end="IMAGE_SAFETY"), "Gemini refused the picture: IMAGE_SAFETY"),
        (answer(end="PROHIBITED_CONTENT"), "Gemini refused the picture: PROHIBITED_CONTENT"),
        (
            {"candidates": [{"finishReason": "IMAGE_PROHIBITED_CONTENT"}]},
            "Gemini refused the picture: IMAGE_PROHIBITED_CONTENT",
        ),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, "Gemini refused the prompt: SAFETY"),
        ({"promptFeedback": {"blockReason": "OTHER"}}, "Gemini refused the prompt: OTHER"),
    ],
)
async def test_a_block_is_a_refusal_with_its_reason(
    gemini: GeminiImages, provider: Any, body: Any, message: str
) -> None:
    says(provider, body)
    with pytest.raises(ContentRejected) as raised:
        await gemini.generate(REQUEST)
    assert str(raised.value) == message
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        answer({"text": "I cannot see a door"}),
        answer(end="NO_IMAGE"),
        answer(inline(b"not a picture")),
        {"candidates": []},
        {},
        b"<html>",
    ],
)
async def test_an_answer_without_a_picture_is_final(
    gemini: GeminiImages, provider: Any, body: Any
) -> None:
    says(provider, body)
    with pytest.raises(ServiceError, match="Gemini gave an answer") as raised:
        await gemini.generate(REQUEST)
    assert (raised.value.retryable, raised.value.billed) == (False, True)
    assert len(provider.requests) == 1


async def test_a_wrong_request_is_not_tried_again(gemini: GeminiImages, provider: Any) -> None:
    body = refusal(400, "INVALID_ARGUMENT", "Wrong: google-key-1234")
    says(provider, body, status="400 Bad Request")
    with pytest.raises(PermanentError, match=r"Wrong: \*\*\*"):
        await gemini.generate(REQUEST)
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        ("400 Bad Request", "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
        ("400 Bad Request", "FAILED_PRECONDITION", "User location is not supported"),
        ("401 Unauthorized", "UNAUTHENTICATED", "Request had invalid authentication"),
        ("403 Forbidden", "PERMISSION_DENIED", "Your API key was reported as leaked"),
        ("404 Not Found", "NOT_FOUND", "models/x is not found for API version v1beta"),
        ("404 Not Found", "", ""),
    ],
)
async def test_an_answer_about_the_account_sends_the_job_back(
    gemini: GeminiImages, provider: Any, status: str, code: str, message: str
) -> None:
    body = refusal(int(status[:3]), code, message) if code else b"<html>"
    says(provider, body, status=status)
    for _ in range(2):
        with pytest.raises(ProviderDown, match="Gemini refuses this account"):
            await gemini.generate(REQUEST)
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    "status", ["429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable"]
)
async def test_passing_trouble_is_tried_again(
    gemini: GeminiImages,
    provider: Any,
    response: Response,
    pictures: dict[str, bytes],
    status: str,
) -> None:
    trouble = json.dumps(refusal(int(status[:3]), "UNAVAILABLE", "Busy")).encode()
    picture = json.dumps(answer(inline(pictures["image/png"]))).encode()
    provider.on(PATH, response(trouble, status=status), response(picture))
    assert (await gemini.generate(REQUEST)).content_type == "image/png"
    assert len(provider.requests) == 2


async def test_trouble_that_stays_is_told_after_three_attempts(
    gemini: GeminiImages, provider: Any
) -> None:
    body = refusal(503, "UNAVAILABLE", "The model is overloaded")
    says(provider, body, status="503 Service Unavailable")
    with pytest.raises(ServiceError, match="The model is overloaded") as raised:
        await gemini.generate(REQUEST)
    assert raised.value.retryable
    assert len(provider.requests) == 3


async def test_a_connection_lost_on_the_way_is_not_bought_again(
    gemini: GeminiImages, provider: Any
) -> None:
    provider.on(PATH, b"")
    with pytest.raises(ServiceError, match="Gemini could not be reached") as raised:
        await gemini.generate(REQUEST)
    assert raised.value.billed
    assert len(provider.requests) == 1


async def test_a_gateway_that_stopped_waiting_is_not_asked_again(
    gemini: GeminiImages, provider: Any
) -> None:
    body = refusal(504, "DEADLINE_EXCEEDED", "Deadline expired")
    says(provider, body, status="504 Gateway Timeout")
    with pytest.raises(ServiceError, match="Deadline expired") as raised:
        await gemini.generate(REQUEST)
    assert raised.value.billed
    assert len(provider.requests) == 1


async def test_a_server_that_is_away_may_come_back(
    settings: Callable[..., Settings], unused_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    found = settings(GOOGLE_AI_API_KEY="k", GOOGLE_GEMINI_BASE_URL=url)
    assert found.google_key is not None
    downloads = Downloads(found)
    images = GeminiImages(found, found.google_key, downloads)
    with pytest.raises(ServiceError) as raised:
        await images.generate(REQUEST)
    assert (raised.value.retryable, raised.value.billed) == (True, False)
    await images.aclose()
    await downloads.aclose()
