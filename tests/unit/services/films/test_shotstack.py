from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import respx

from config.settings import Settings
from core.alert import Alert
from core.errors import ProviderDown, ServiceError
from services.films.shotstack import Rendered, RenderFailed, Rendering, Shotstack, UnknownRender
from tests.support.story import telling, untimed

URL = "https://api.shotstack.io/edit/v1/render"
ACCEPTED = {"success": True, "message": "Created", "response": {"message": "Queued", "id": "r-1"}}

pytestmark = pytest.mark.usefixtures("no_waits")


@pytest.fixture
async def shotstack(settings: Callable[..., Settings]) -> AsyncIterator[Shotstack]:
    found = settings(SHOTSTACK_API_KEY="stack-key-1234")
    assert found.shotstack_key is not None
    service = Shotstack(found, found.shotstack_key)
    yield service
    await service.aclose()


async def test_a_render_is_ordered_once(shotstack: Shotstack, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).respond(201, json=ACCEPTED)
    assert await shotstack.submit({"timeline": {}}) == "r-1"
    assert route.calls.last.request.headers["x-api-key"] == "stack-key-1234"
    assert route.call_count == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout("too slow"),
        httpx.RemoteProtocolError("cut off"),
        httpx.Response(500, json={"success": False, "message": "Internal Server Error"}),
        httpx.Response(502, text="<html>"),
        httpx.Response(503),
        httpx.Response(504),
        httpx.Response(408),
        httpx.Response(201, json={"success": True}),
    ],
)
async def test_a_lost_answer_is_not_asked_for_again(
    shotstack: Shotstack, respx_mock: respx.MockRouter, answer: Any
) -> None:
    route = respx_mock.post(URL).mock(side_effect=[answer])
    with pytest.raises(ServiceError) as caught:
        await shotstack.submit({})
    assert (caught.value.retryable, caught.value.billed) == (True, True)
    assert route.call_count == 1


@pytest.mark.parametrize(
    "first", [httpx.Response(429), httpx.ConnectError(""), httpx.ConnectTimeout("")]
)
async def test_what_did_not_arrive_is_sent_again(
    shotstack: Shotstack, respx_mock: respx.MockRouter, first: Any
) -> None:
    respx_mock.post(URL).mock(side_effect=[first, httpx.Response(201, json=ACCEPTED)])
    assert await shotstack.submit({}) == "r-1"


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405])
async def test_what_concerns_the_account_or_the_address_sends_the_job_back(
    settings: Callable[..., Settings], respx_mock: respx.MockRouter, status: int
) -> None:
    route = respx_mock.post(URL).respond(status, json={"message": "Forbidden"})
    found = settings(SHOTSTACK_API_KEY="stack-key-1234")
    assert found.shotstack_key is not None
    alerts: list[Alert] = []
    service = Shotstack(found, found.shotstack_key, alerts.append)
    for _ in range(2):
        with pytest.raises(ProviderDown, match="Shotstack refuses this account"):
            await service.submit({})
    await service.aclose()
    assert (route.call_count, len(alerts)) == (1, 1)


async def test_a_limit_is_waited_for_by_all_for_its_minute(
    shotstack: Shotstack, respx_mock: respx.MockRouter
) -> None:
    """300 requests a minute and key, and no word on when there is room again."""
    orders = respx_mock.post(URL).respond(429)
    polls = respx_mock.get(f"{URL}/r-1").respond(200, json={"response": {"status": "queued"}})
    with pytest.raises(ProviderDown, match="has reached its limit") as raised:
        await shotstack.submit({})
    assert raised.value.delay.total_seconds() >= 60
    with pytest.raises(ProviderDown):
        await shotstack.state("r-1")
    assert (orders.call_count, polls.call_count) == (4, 0)


async def test_its_states_are_told_in_the_log_of_the_job(
    shotstack: Shotstack, respx_mock: respx.MockRouter
) -> None:
    states = ["queued", "rendering", "rendering", "rendering", "done"]
    renders = [{"response": {"status": one, "url": "https://x/a.mp4"}} for one in states]
    respx_mock.post(URL).mock(side_effect=[httpx.Response(429), httpx.Response(201, json=ACCEPTED)])
    respx_mock.get(f"{URL}/r-1").mock(
        side_effect=[httpx.Response(200, json=one) for one in renders]
    )
    async with telling() as lines:
        render = await shotstack.submit({})
        for _ in states:
            await shotstack.state(render)
    assert untimed(lines) == [
        'Shotstack, order of a render: status 429, "Shotstack answered 429 to render the video"',
        "Shotstack, order of a render: accepted",
        "Shotstack, render: queued",
        "Shotstack, render: rendering",
        "Shotstack, render: rendering, 2 times more",
        "Shotstack, render: done",
    ]


async def test_a_refusal_says_why(shotstack: Shotstack, respx_mock: respx.MockRouter) -> None:
    body = {"success": False, "message": "Bad Request", "response": {"error": "src: not a URL"}}
    respx_mock.post(URL).respond(400, json=body)
    with pytest.raises(ServiceError, match="refused to render the video: src: not a URL") as caught:
        await shotstack.submit({})
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"status": "queued"}, Rendering("queued")),
        ({"status": "done", "url": "https://x/a.mp4"}, Rendered("https://x/a.mp4")),
        ({"status": "done", "url": None}, RenderFailed("it is done, but has no address")),
        ({"status": "failed", "error": "no\nluck"}, RenderFailed("no luck")),
        ({"status": "failed"}, RenderFailed("no reason given")),
    ],
)
async def test_states(
    shotstack: Shotstack, respx_mock: respx.MockRouter, fields: dict[str, Any], state: object
) -> None:
    respx_mock.get(f"{URL}/r-1").respond(json={"success": True, "response": {"id": "r", **fields}})
    assert await shotstack.state("r-1") == state


async def test_a_state_is_asked_for_until_it_comes(
    shotstack: Shotstack, respx_mock: respx.MockRouter
) -> None:
    ready = {"response": {"status": "done", "url": "https://x/a.mp4"}}
    answers = [httpx.Response(500), httpx.ReadTimeout(""), httpx.Response(200, json=ready)]
    respx_mock.get(f"{URL}/r-1").mock(side_effect=answers)
    assert await shotstack.state("r-1") == Rendered("https://x/a.mp4")


async def test_the_order_is_not_sent_back_with_each_state(
    shotstack: Shotstack, respx_mock: respx.MockRouter
) -> None:
    """By default all that was ordered comes back."""
    route = respx_mock.get(f"{URL}/r-1").respond(json={"response": {"status": "queued"}})
    await shotstack.state("r-1")
    assert route.calls.last.request.url.query == b"data=false"


@pytest.mark.parametrize(
    ("said", "lacks_source"),
    [
        ("Failed to fetch https://x.example/a.mp4: 503", True),
        ("Download Error: the engine could not reach the source", True),
        ("Error downloading asset", True),
        ("Unsupported format", False),
        ("no reason given", False),
    ],
)
def test_whether_a_render_failed_for_lack_of_a_source(said: str, lacks_source: bool) -> None:
    assert RenderFailed(said).lacks_source is lacks_source


async def test_an_unknown_render(shotstack: Shotstack, respx_mock: respx.MockRouter) -> None:
    body = {"success": False, "message": "Not Found", "response": {"error": "Render not found"}}
    respx_mock.get(f"{URL}/a%2F..%2Fb").respond(404, json=body)
    with pytest.raises(UnknownRender):
        await shotstack.state("a/../b")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404),
        httpx.Response(404, html="<html><center>nginx</center></html>"),
        httpx.Response(404, json={"message": "Not Found"}),
        httpx.Response(404, json=["Not Found"]),
        httpx.Response(404, json={"success": True, "message": "OK"}),
    ],
)
async def test_only_shotstack_itself_can_say_that_it_does_not_know_a_render(
    shotstack: Shotstack, respx_mock: respx.MockRouter, answer: httpx.Response
) -> None:
    """Anybody's 404 on the way is passing: the render goes on meanwhile."""
    route = respx_mock.get(f"{URL}/r-1").mock(return_value=answer)
    with pytest.raises(ServiceError) as caught:
        await shotstack.state("r-1")
    assert (caught.value.status, caught.value.retryable) == (404, True)
    assert route.call_count == 4
