import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.settings import Settings
from core.errors import ServiceError
from services.net.circuit import Circuit
from services.net.http import new_client, one_line, service_error, transport_error, with_retries

MakeSettings = Callable[..., Settings]


def answered(status: int, body: Any = b"", **headers: str) -> ServiceError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = httpx.Request(
        "POST", "https://api.example.com/x", headers={"Authorization": "Bearer key-1234"}
    )
    names = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, value in headers.items()
    ]
    response = httpx.Response(status, content=content, headers=names, request=request)
    return service_error("Seedream", "generate a picture", response)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"error": {"code": "A.B", "message": "Too many"}}, "A.B", "Too many"),
        (
            {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota"}},
            "RESOURCE_EXHAUSTED",
            "Quota",
        ),
        ({"error": "no such thing"}, None, "no such thing"),
        ({"message": "at the top", "code": 7}, "7", "at the top"),
        (b"upstream timed out\n", None, "upstream timed out"),
        (b"two\r\nlines\x00 \xe2\x80\xae here", None, "two lines here"),
        (b"<html><h1>502</h1></html>", None, "Seedream answered 500 to generate a picture"),
        (b"", None, "Seedream answered 500 to generate a picture"),
        (b"null", None, "null"),
        (b'{"error": {"message"', None, "Seedream answered 500 to generate a picture"),
        (b"[" * 5000, None, "Seedream answered 500 to generate a picture"),
    ],
)
def test_code_and_message_of_an_error_body(body: Any, code: str | None, message: str) -> None:
    error = answered(500, body)
    assert (error.code, str(error)) == (code, message)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 520, 529])
def test_a_status_that_may_pass(status: int) -> None:
    assert answered(status).retryable


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 410, 413, 422, 451])
def test_a_status_that_stays(status: int) -> None:
    error = answered(status)
    assert not error.retryable
    assert error.status == status


def test_the_message_is_one_line_of_at_most_300_characters() -> None:
    assert len(str(answered(500, ("x" * 999).encode()))) == 300
    assert str(answered(500, ("x" * 999).encode())).endswith("x…")
    assert one_line("x" * 300) == "x" * 300
    assert one_line(" a\tb\u2028c\x1b[31m ") == "a b c [31m"


def test_a_key_that_the_server_quotes_is_not_repeated() -> None:
    error = answered(401, {"error": {"message": "Wrong key: key-1234."}})
    assert str(error) == "Wrong key: ***."


def test_the_request_id_is_kept() -> None:
    assert answered(500, x_request_id="id-7").request_id == "id-7"
    assert answered(500, x_tt_logid="id-8").request_id == "id-8"
    assert answered(500).request_id is None


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("0", timedelta(0)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", timedelta(0)),
        ("soon", None),
        ("-5", None),
        ("²", None),
        ("9" * 30, None),
        ("Wed, 99 Oct 99999999999 07:28:00 GMT", None),
    ],
)
def test_retry_after(text: str, wait: timedelta | None) -> None:
    assert answered(429, retry_after=text).retry_after == wait


def test_retry_after_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    wait = answered(429, retry_after=date).retry_after
    assert wait is not None
    assert timedelta(minutes=4, seconds=55) < wait <= timedelta(minutes=5)


def test_a_lost_connection_may_pass() -> None:
    error = transport_error("Seedream", "generate a picture", httpx.ReadTimeout(""), billed=True)
    assert str(error) == "Seedream could not be reached to generate a picture: ReadTimeout"
    assert error.retryable
    assert error.billed


async def test_a_key_that_cannot_be_sent_is_not_quoted(
    settings: MakeSettings, provider: Any
) -> None:
    headers = {"Authorization": "Bearer key-1234\n"}
    async with new_client(
        settings(), service="x", timeout=httpx.Timeout(5), headers=headers
    ) as client:
        with pytest.raises(httpx.LocalProtocolError, match="key-1234") as raised:
            await client.get(provider.url("/"))
    error = transport_error("Seedream", "generate a picture", raised.value)
    assert "key-1234" not in str(error)
    assert not error.retryable


async def test_the_client_keeps_no_cookies_and_reads_no_proxy(
    settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, headers={"set-cookie": "a=b; Path=/"})

    client = new_client(
        settings(), service="x", timeout=httpx.Timeout(5), transport=httpx.MockTransport(answer)
    )
    async with client:
        await client.get("https://api.example.com/1")
        await client.get("https://api.example.com/2")
        assert not client.trust_env
    assert len(seen) == 2
    assert all("cookie" not in request.headers for request in seen)


class Failing:
    """Raises the errors in turn, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def failure(**fields: Any) -> ServiceError:
    return ServiceError("Seedream", "generate a picture", "away", **{"retryable": True, **fields})


@pytest.mark.usefixtures("no_waits")
async def test_passing_errors_are_tried_again() -> None:
    call = Failing(failure(), failure())
    assert await with_retries(call, attempts=3, circuit=Circuit("X")) == "answer"
    assert call.calls == 3


@pytest.mark.usefixtures("no_waits")
async def test_the_last_error_is_raised_when_no_attempt_is_left() -> None:
    last = failure()
    call = Failing(failure(), last, failure())
    with pytest.raises(ServiceError) as raised:
        await with_retries(call, attempts=2, circuit=Circuit("X"))
    assert raised.value is last
    assert call.calls == 2


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize(
    "error", [failure(retryable=False), failure(billed=True), ValueError("bug")]
)
async def test_other_errors_are_raised_at_once(error: Exception) -> None:
    call = Failing(error)
    with pytest.raises(type(error)):
        await with_retries(call, attempts=5, circuit=Circuit("X"))
    assert call.calls == 1


async def first_wait(logged: Any, error: ServiceError) -> float:
    """Seconds before the second attempt; nobody waits for it."""
    waiting = asyncio.create_task(with_retries(Failing(error), attempts=2, circuit=Circuit("X")))
    async with asyncio.timeout(5):
        await logged.something.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    [line] = logged.lines
    found = re.fullmatch(r"away, trying again in ([0-9.]+) s\n", line)
    assert found
    return float(found[1])


@pytest.mark.parametrize("asked_s", [12, 30])
async def test_retry_after_is_obeyed_up_to_30_s(logged: Any, asked_s: int) -> None:
    asked = timedelta(seconds=asked_s)
    assert await first_wait(logged, failure(retry_after=asked)) == asked_s


@pytest.mark.parametrize("is_late", [True, False])
async def test_what_is_not_to_be_asked_again_soon_is_left_to_the_job(is_late: bool) -> None:
    error = failure(retry_after=timedelta(seconds=31) if is_late else None)
    error.at_once = is_late
    call = Failing(error, error)
    with pytest.raises(ServiceError):
        await with_retries(call, attempts=3, circuit=Circuit("X"))
    assert call.calls == 1


async def test_without_retry_after_the_first_wait_is_half_a_second_and_jitter(logged: Any) -> None:
    assert 0.5 <= await first_wait(logged, failure()) <= 1.5


async def test_a_vendor_that_redirects_is_not_followed(
    settings: MakeSettings, provider: Any, response: Callable[..., bytes]
) -> None:
    """It would bring the key along, to where no guard has looked."""
    url = provider.on("/a", response(b"", status="302 Found", location=provider.url("/b")))
    headers = {"x-api-key": "key"}
    client = new_client(settings(), service="x", timeout=httpx.Timeout(5), headers=headers)
    assert (await client.get(url)).status_code == 302
    await client.aclose()
    assert provider.to("/b") == []


_CLIENT = re.compile(
    r"httpx\.(?:AsyncClient|Client|get|post|stream|request)\(|HTTPTransport\(|urlopen\("
    r"|import (?:requests|aiohttp)|(?:open|create)_connection\("
)


def test_requests_are_made_here_and_behind_the_guard_alone() -> None:
    root = Path(__file__).parents[4]
    folders = ("bullmq_consumer", "commands", "config", "core", "handlers", "runtime", "services")
    files = [file for folder in folders for file in (root / folder).rglob("*.py")]
    makers = {file.name for file in files if _CLIENT.search(file.read_text("utf-8"))}
    guarded = {"http.py", "downloads.py", "sockets.py"}  # these are what the guard opens
    # And what OpenTelemetry sends spans by, to the operator's own address, without redirects.
    assert makers == {*guarded, "exporter.py"}
