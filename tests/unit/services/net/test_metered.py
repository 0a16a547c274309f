"""What is counted of the requests to services, and of what is bought from them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import httpx
import pytest

from bullmq_consumer.telemetry.tracer import NO_TRACER
from config.settings import Settings
from core import meter, tracing
from core.errors import ContentRejected, ServiceError
from services.net.http import new_client
from tests.support.spans import KeepingTracer


class Counted:
    """A meter that keeps what it is told."""

    def __init__(self) -> None:
        self.asked_: list[tuple[str, str, str]] = []
        self.moved_: list[tuple[str, str, int]] = []
        self.paid_: list[tuple[str, str, str]] = []

    def job_taken(self, name: str, waited_s: float | None) -> None:
        raise AssertionError

    def job_ended(self, name: str, end: str, seconds: float) -> None:
        raise AssertionError

    def http_request(self, service: str, method: str, outcome: str, seconds: float) -> None:
        assert 0 <= seconds < 5
        self.asked_.append((service, method, outcome))

    def bytes_transferred(self, service: str, direction: str, size_bytes: int) -> None:
        self.moved_.append((service, direction, size_bytes))

    def purchase(self, service: str, kind: str, result: str) -> None:
        self.paid_.append((service, kind, result))

    def schedule_broke(self) -> None:
        raise AssertionError


@pytest.fixture
def counted() -> Iterator[Counted]:
    before, found = meter.meter(), Counted()
    meter.install(found)
    yield found
    meter.install(before)


@pytest.fixture
def settings() -> Settings:
    values = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "sb_secret_1"}
    return Settings(**values)


class Body(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"de"


async def answer(request: httpx.Request) -> httpx.Response:
    assert isinstance(request.stream, httpx.AsyncByteStream)
    async for _ in request.stream:  # as the real transport sends it
        pass
    match request.url.path:
        case "/late":
            raise httpx.ReadTimeout("late")
        case "/away":
            raise httpx.ConnectError("away")
        case "/hangs":
            await asyncio.Event().wait()
    return httpx.Response(int(request.url.path[1:]), stream=Body())


async def test_requests_are_counted_by_their_ends(counted: Counted, settings: Settings) -> None:
    client = new_client(
        settings,
        service="Vendor",
        timeout=httpx.Timeout(5),
        base_url="https://v.example",
        transport=httpx.MockTransport(answer),
    )
    async with client:
        for path in ("/200", "/302", "/404", "/429", "/503"):
            assert (await client.get(path)).content == b"abcde"
        for path in ("/late", "/away"):
            with pytest.raises(httpx.TransportError):
                await client.post(path, content=b"1234")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.get("/hangs")
    ends = ["2xx", "3xx", "4xx", "429", "5xx"]
    assert counted.asked_ == [
        *(("Vendor", "GET", end) for end in ends),
        ("Vendor", "POST", "timeout"),
        ("Vendor", "POST", "connection"),
        ("Vendor", "GET", "cancelled"),
    ]
    received = [size for _, direction, size in counted.moved_ if direction == "received"]
    assert received == [3, 2] * 5
    assert ("Vendor", "sent", 4) in counted.moved_


class Redirecting(httpx.AsyncBaseTransport):
    """Sends on what comes to `/there`, with its body."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        assert [chunk async for chunk in request.stream] == [b"1234"]
        if request.url.path == "/here":
            return httpx.Response(200)
        return httpx.Response(307, headers={"location": "/here"})


async def test_a_body_that_is_redirected_counts_once_a_request(
    counted: Counted, settings: Settings
) -> None:
    transport = Redirecting()
    client = new_client(settings, service="Vendor", timeout=httpx.Timeout(5), transport=transport)
    async with client:
        await client.post("https://v.example/there", content=b"1234", follow_redirects=True)
    assert [one for one in counted.moved_ if one[1] == "sent"] == [("Vendor", "sent", 4)] * 2


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "delivered"),
        (ServiceError("V", "buy", "the answer was lost", billed=True), "uncertain"),
        (asyncio.CancelledError(), "uncertain"),
        (ServiceError("V", "buy", "no"), None),
        (ContentRejected("no"), None),
    ],
)
def test_a_purchase_is_counted_as_far_as_it_may_be_billed(
    counted: Counted, error: BaseException | None, result: str | None
) -> None:
    try:
        with meter.bill("V", "picture"):
            if error is not None:
                raise error
    except type(error or Exception()):
        pass
    assert counted.paid_ == ([("V", "picture", result)] if result else [])


@pytest.fixture
def kept() -> Iterator[KeepingTracer]:
    found = KeepingTracer()
    tracing.install(found)
    yield found
    tracing.install(NO_TRACER)


async def test_a_request_is_a_span_and_carries_none(
    kept: KeepingTracer, settings: Settings
) -> None:
    sent: list[httpx.Request] = []

    async def noted(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return await answer(request)

    client = new_client(
        settings,
        service="Vendor",
        timeout=httpx.Timeout(5),
        base_url="https://user:pass@v.example:8443",
        transport=httpx.MockTransport(noted),
    )
    async with client:
        await client.get("/200?token=1#part")
        await client.post("/503")
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/late")
    good, bad, late = kept.spans
    assert (good.name, good.kind, good.failed) == ("GET Vendor", "client", None)
    assert good.attributes == {
        "peer.service": "Vendor",
        "http.request.method": "GET",
        "server.address": "v.example",
        "server.port": 8443,
        "url.full": "https://v.example:8443/200",
        "http.response.status_code": 200,
    }
    assert (bad.attributes["error.type"], bad.failed) == ("503", "")
    assert (late.failed, "http.response.status_code" in late.attributes) == ("ReadTimeout", False)
    assert not any({"traceparent", "baggage"} & request.headers.keys() for request in sent)


@pytest.mark.parametrize(
    ("error", "result", "failed"),
    [
        (None, "delivered", None),
        (ServiceError("V", "buy", "lost", billed=True), "uncertain", "ServiceError"),
        (ContentRejected("no"), "none", "ContentRejected"),
    ],
)
def test_a_purchase_is_a_span(
    kept: KeepingTracer, error: Exception | None, result: str, failed: str | None
) -> None:
    with suppress(ServiceError, ContentRejected), meter.bill("V", "picture"):
        if error is not None:
            raise error
    [span] = kept.spans
    assert (span.name, span.kind, span.failed) == ("purchase picture", "internal", failed)
    assert span.attributes == {
        "peer.service": "V",
        "vidfab.purchase.kind": "picture",
        "vidfab.purchase.result": result,
    }
