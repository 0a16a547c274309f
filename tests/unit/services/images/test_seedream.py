import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import respx

from bullmq_consumer.safety.fence import fenced
from config.settings import Settings
from core.errors import ContentRejected, PermanentError, ProviderDown, ServiceError
from services.images.base import ImageRequest, ImageUrl
from services.images.seedream import Seedream
from services.net.downloads import Downloads
from tests.support.handle import OpenFence

URL = "https://ark.ap-southeast.bytepluses.com/api/v3/images/generations"
PICTURE = {"data": [{"url": "https://tos.example.com/a.jpg", "size": "2848x1600"}]}
REQUEST = ImageRequest("A cat by a door", "16:9")

pytestmark = pytest.mark.usefixtures("no_waits")


@pytest.fixture
async def seedream(settings: Callable[..., Settings]) -> AsyncIterator[Seedream]:
    found = settings(BYTEPLUS_API_KEY="ark-key-1234")
    provider = seedream_of(found)
    yield provider
    await provider.aclose()


def seedream_of(settings: Settings) -> Seedream:
    assert settings.byteplus_key is not None
    return Seedream(settings, settings.byteplus_key, Downloads(settings))


@pytest.fixture
def route(respx_mock: respx.MockRouter) -> respx.Route:
    return respx_mock.post(URL)


def refusal(status: int, code: str, message: str = "Because", **headers: str) -> httpx.Response:
    body = {"error": {"code": code, "message": message, "param": "", "type": "x"}}
    return httpx.Response(status, json=body, headers=headers)


async def sent(seedream: Seedream, route: respx.Route, request: ImageRequest) -> dict[str, Any]:
    route.respond(json=PICTURE)
    await seedream.generate(request)
    return json.loads(route.calls.last.request.content)


async def test_the_request_holds_the_documented_fields(
    seedream: Seedream, route: respx.Route
) -> None:
    body = await sent(seedream, route, REQUEST)
    assert re.fullmatch(r"Take \d{1,6}\. A cat by a door", body.pop("prompt"))
    assert body == {
        "model": "seedream-5-0-260128",
        "size": "2848x1600",
        "response_format": "url",
        "watermark": False,
    }
    assert route.calls.last.request.headers["authorization"] == "Bearer ark-key-1234"


async def test_the_answer_is_the_url(seedream: Seedream, route: respx.Route) -> None:
    route.respond(json=PICTURE)
    assert await seedream.generate(REQUEST) == ImageUrl("https://tos.example.com/a.jpg")


@pytest.mark.parametrize(
    ("references", "image"),
    [
        (("https://x.example.com/1",), "https://x.example.com/1"),
        (("https://a", "https://b"), ["https://a", "https://b"]),
        (tuple(map(str, range(20))), list(map(str, range(14)))),
    ],
)
async def test_references(
    seedream: Seedream, route: respx.Route, references: tuple[str, ...], image: Any
) -> None:
    body = await sent(seedream, route, ImageRequest("p", "1:1", references))
    assert body["image"] == image


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("seedream-5-0-260128", 14),
        ("seedream-4-5-251128", 14),
        ("seedream-5-0-flash-260915", 10),
        ("dola-seedream-5-0-pro-260628", 10),
    ],
)
async def test_a_model_is_sent_as_many_references_as_it_takes(
    settings: Callable[..., Settings], route: respx.Route, model: str, most: int
) -> None:
    found = settings(BYTEPLUS_API_KEY="k", BYTEPLUS_IMAGE_MODEL=model)
    provider = seedream_of(found)
    body = await sent(provider, route, ImageRequest("p", "1:1", tuple(map(str, range(20)))))
    await provider.aclose()
    assert len(body["image"]) == provider.max_references == most


@pytest.mark.parametrize(
    ("ratio", "size"), [("16:9", "2848x1600"), ("9:16", "1600x2848"), ("1:1", "2048x2048")]
)
async def test_sizes(seedream: Seedream, route: respx.Route, ratio: str, size: str) -> None:
    assert (await sent(seedream, route, ImageRequest("p", ratio)))["size"] == size


@pytest.mark.parametrize("ratio", ["1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9"])
@pytest.mark.parametrize(
    ("model", "most"), [("seedream-5-0-260128", 16_777_216), ("seedream-5-0-pro-260628", 4_194_304)]
)
async def test_sizes_are_of_the_ratio_and_keep_to_the_models_limit(
    settings: Callable[..., Settings], route: respx.Route, model: str, most: int, ratio: str
) -> None:
    provider = seedream_of(settings(BYTEPLUS_API_KEY="k", BYTEPLUS_IMAGE_MODEL=model))
    size = (await sent(provider, route, ImageRequest("p", ratio)))["size"]
    await provider.aclose()
    width, height = map(int, size.split("x"))
    across, down = map(int, ratio.split(":"))
    assert width / height == pytest.approx(across / down, rel=0.02)
    assert 3_600_000 < width * height <= most


async def test_each_try_has_an_id_of_its_own(seedream: Seedream, route: respx.Route) -> None:
    route.side_effect = [refusal(429, "ServerOverloaded"), httpx.Response(200, json=PICTURE)]
    await seedream.generate(ImageRequest("p", "1:1", request_id="a1b2"))
    ids = [call.request.headers["x-client-request-id"] for call in route.calls]
    assert ids == ["a1b2-1", "a1b2-2"]


async def test_an_unknown_aspect_ratio_is_permanent(seedream: Seedream) -> None:
    with pytest.raises(PermanentError, match="5:4"):
        await seedream.generate(ImageRequest("p", "5:4"))


async def test_the_same_shot_again_is_another_request(
    seedream: Seedream, route: respx.Route
) -> None:
    prompts = {(await sent(seedream, route, REQUEST))["prompt"] for _ in range(5)}
    assert len(prompts) > 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InputTextSensitiveContentDetected", ContentRejected),
        (400, "InputImageSensitiveContentDetected.PrivacyInformation", ContentRejected),
        (400, "OutputImageSensitiveContentDetected", ContentRejected),
        (400, "InputTextRiskDetection", ContentRejected),
        (400, "InvalidImageURL.EmptyURL", ContentRejected),
        (400, "InvalidParameter", PermanentError),
        (400, "InvalidParameter.UnsupportedSize", PermanentError),
        (400, "MissingParameter", PermanentError),
    ],
)
async def test_a_refused_request_is_permanent_in_the_words_of_the_provider(
    seedream: Seedream, route: respx.Route, status: int, code: str, kind: type[Exception]
) -> None:
    route.return_value = refusal(status, code, "The prompt is sensitive")
    with pytest.raises(kind) as raised:
        await seedream.generate(REQUEST)
    assert type(raised.value) is kind
    assert str(raised.value) == "The prompt is sensitive"
    assert route.call_count == 1


async def test_an_answer_about_the_account_sends_the_job_back(
    seedream: Seedream, route: respx.Route
) -> None:
    route.return_value = refusal(403, "AccountOverdueError")
    for _ in range(2):
        with pytest.raises(ProviderDown, match="Seedream refuses this account"):
            await seedream.generate(REQUEST)
    assert route.call_count == 1


async def test_a_limit_sends_the_job_back_for_its_window(
    seedream: Seedream, route: respx.Route
) -> None:
    route.return_value = refusal(429, "ModelAccountIpmRateLimitExceeded")
    with pytest.raises(ProviderDown, match="Seedream has reached its limit") as raised:
        await seedream.generate(REQUEST)
    assert raised.value.delay.total_seconds() >= 60
    assert route.call_count == 3


@pytest.mark.parametrize(
    ("status", "code", "posts"),
    [(429, "ServerOverloaded", 3), (400, "ContentSecurityDetectionError", 3)],
)
async def test_passing_trouble_is_tried_again(
    seedream: Seedream, route: respx.Route, status: int, code: str, posts: int
) -> None:
    route.return_value = refusal(status, code)
    with pytest.raises(ServiceError) as raised:
        await seedream.generate(REQUEST)
    assert raised.value.retryable
    assert not raised.value.billed
    assert route.call_count == posts


@pytest.mark.parametrize("code", ["InternalServiceError", "AnUnknownOne"])
async def test_what_modelark_reports_as_failed_is_ordered_twice_and_counts_then(
    seedream: Seedream, route: respx.Route, code: str
) -> None:
    """It may be made all the same."""
    route.return_value = refusal(500, code)
    with pytest.raises(ServiceError) as raised:
        await seedream.generate(REQUEST)
    assert (raised.value.retryable, raised.value.billed) == (True, True)
    assert route.call_count == 2


async def test_a_gateway_without_anybody_behind_it_is_left_to_the_job(
    seedream: Seedream, route: respx.Route
) -> None:
    route.return_value = httpx.Response(503, html="<h1>503</h1>")
    with pytest.raises(ServiceError) as raised:
        await seedream.generate(REQUEST)
    assert (raised.value.retryable, raised.value.billed) == (True, False)
    assert route.call_count == 1


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidParameter", "Timeout while downloading url: https://x.example.com/a.jpg"),
        ("InvalidParameter", "Error while downloading url: https://x.example.com/a.jpg"),
        (
            "InvalidParameter",
            "The parameter `image` specified in the request is not valid: timeout while fetching "
            "resource. Request id: 0217",
        ),
        ("InvalidImageURL.InvalidFormat", "Timeout while downloading url: https://x.example.com"),
    ],
)
async def test_a_reference_that_did_not_come_in_time_is_passing_and_costs_nothing(
    seedream: Seedream, route: respx.Route, code: str, message: str
) -> None:
    """ModelArk gives a reference 10 s, and says of a late one that the request is wrong."""
    route.return_value = refusal(400, code, message)
    with pytest.raises(ServiceError, match="while") as raised:
        await seedream.generate(REQUEST)
    assert (raised.value.retryable, raised.value.billed) == (True, False)
    assert route.call_count == 3


async def test_a_late_reference_is_sent_with_the_next_try(
    settings: Callable[..., Settings],
    respx_mock: respx.MockRouter,
    media: Any,
    response: Any,
    jpeg: bytes,
) -> None:
    respx_mock.route(host=media.name).pass_through()
    route = respx_mock.post(URL)
    late = refusal(400, "InvalidParameter", "Timeout while downloading url: https://x.example.com")
    route.side_effect = [late, httpx.Response(200, json=PICTURE)]
    hosts = f"media.example.com:{media.port}=127.0.0.1"
    provider = seedream_of(settings(BYTEPLUS_API_KEY="k", DOWNLOAD_ALLOWED_HOSTS=hosts))
    url = media.on("/1.jpg", response(jpeg))
    await provider.generate(ImageRequest("p", "1:1", (url,)))
    await provider.aclose()
    first, second = (json.loads(call.request.content)["image"] for call in route.calls)
    assert (first, second[:23]) == (url, "data:image/jpeg;base64,")


async def test_references_that_do_not_come_stop_nobody_elses_pictures(
    seedream: Seedream, route: respx.Route
) -> None:
    """Where a reference lies is for its owner to choose: Seedream itself is not down."""
    late = refusal(400, "InvalidParameter", "Timeout while downloading url: https://x.example.com")
    for number in range(4):
        route.return_value = late
        with fenced(OpenFence(f"job-{number}")), pytest.raises(ServiceError):
            await seedream.generate(REQUEST)
    route.return_value = httpx.Response(200, json=PICTURE)
    assert await seedream.generate(REQUEST) == ImageUrl("https://tos.example.com/a.jpg")


async def test_a_picture_after_passing_trouble(seedream: Seedream, route: respx.Route) -> None:
    route.side_effect = [
        refusal(429, "RateLimitExceeded.X"),
        httpx.ConnectError("refused"),
        httpx.Response(200, json=PICTURE),
    ]
    assert await seedream.generate(REQUEST) == ImageUrl("https://tos.example.com/a.jpg")


@pytest.mark.parametrize(
    "lost",
    [
        httpx.ReadTimeout(""),
        httpx.ReadError(""),
        httpx.RemoteProtocolError("Server disconnected"),
        httpx.WriteTimeout(""),
    ],
)
async def test_a_request_that_went_out_is_not_bought_again(
    seedream: Seedream, route: respx.Route, lost: httpx.HTTPError
) -> None:
    route.side_effect = lost
    with pytest.raises(ServiceError) as raised:
        await seedream.generate(REQUEST)
    assert raised.value.billed
    assert raised.value.retryable
    assert route.call_count == 1


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_gateway_that_lost_the_answer_is_not_asked_again(
    seedream: Seedream, route: respx.Route, status: int
) -> None:
    route.return_value = httpx.Response(status, html=f"<h1>{status}</h1>")
    with pytest.raises(ServiceError) as raised:
        await seedream.generate(REQUEST)
    assert raised.value.billed
    assert route.call_count == 1


@pytest.mark.parametrize("away", [httpx.ConnectTimeout(""), httpx.ConnectError("refused")])
async def test_a_request_that_never_went_out_is_made_again(
    seedream: Seedream, route: respx.Route, away: httpx.HTTPError
) -> None:
    route.side_effect = away
    with pytest.raises(ServiceError) as raised:
        await seedream.generate(REQUEST)
    assert not raised.value.billed
    assert route.call_count == 3


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "OutputImageSensitiveContentDetected", "message": "Sensitive"}},
        {"data": [{"error": {"code": "InputTextRiskDetection", "message": "Sensitive"}}]},
        {"data": [{"error": {"code": "OutputImageSensitiveContentDetected", "message": None}}]},
        {
            "data": [],
            "error": {"code": None, "message": "The output may contain sensitive information."},
        },
    ],
)
async def test_a_refusal_inside_a_200(
    seedream: Seedream, route: respx.Route, body: dict[str, Any]
) -> None:
    route.respond(json=body)
    with pytest.raises(ContentRejected, match=r"[Ss]ensitive"):
        await seedream.generate(REQUEST)
    assert route.call_count == 1


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("message", ["Try later", "Timeout while downloading url: https://x"])
async def test_trouble_inside_a_200_is_final_as_it_may_be_billed(
    seedream: Seedream, route: respx.Route, message: str, is_whole: bool
) -> None:
    trouble = {"code": "InternalServiceError", "message": message}
    body = {"data": None, "error": trouble} if is_whole else {"data": [{"error": trouble}]}
    route.respond(json=body)
    with pytest.raises(ServiceError, match=message) as raised:
        await seedream.generate(REQUEST)
    assert (raised.value.retryable, raised.value.billed) == (False, True)
    assert route.call_count == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"data": []}', b'{"data": [{}]}'])
async def test_an_answer_without_a_picture_is_final(
    seedream: Seedream, route: respx.Route, body: bytes
) -> None:
    route.respond(content=body)
    with pytest.raises(ServiceError, match="Seedream gave an answer") as raised:
        await seedream.generate(REQUEST)
    assert (raised.value.retryable, raised.value.billed) == (False, True)
    assert route.call_count == 1


async def test_address_model_retries_and_timeout_are_settings(
    settings: Callable[..., Settings], respx_mock: respx.MockRouter
) -> None:
    found = settings(
        BYTEPLUS_API_KEY="k",
        BYTEPLUS_ARK_BASE_URL="http://127.0.0.1:9/v3/",
        BYTEPLUS_IMAGE_MODEL="other-model",
        BYTEPLUS_IMAGE_MAX_RETRIES="0",
        BYTEPLUS_IMAGE_TIMEOUT_MS="4000",
    )
    route = respx_mock.post("http://127.0.0.1:9/v3/images/generations").respond(500)
    provider = seedream_of(found)
    with pytest.raises(ServiceError):
        await provider.generate(REQUEST)
    await provider.aclose()
    request = route.calls.last.request
    assert json.loads(request.content)["model"] == "other-model"
    assert request.extensions["timeout"]["read"] == 4
    assert route.call_count == 1
