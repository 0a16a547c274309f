"""What Slack and Discord are sent, and what their answers mean."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from config.settings import Settings
from core.alert import Alert, Notice
from core.errors import ServiceError
from services.alerts.webhooks import Discord, Slack
from tests.support.server import Answer, Server

MakeSettings = Callable[..., Settings]
Respond = Callable[..., bytes]
HOSTILE = "<!channel> @everyone <@U1> & [site](https://evil.example) `x` *b* ||s|| 正在 🔥"


async def send(kind: type[Slack] | type[Discord], settings: Settings, url: str, text: str) -> None:
    channel = kind(settings, SecretStr(url))
    try:
        await channel.send(Notice(Alert("k", text, "error"), text))
    finally:
        await channel.aclose()


async def refusal(settings: Settings, server: Server, answer: Answer) -> ServiceError:
    url = server.on("/services/T0/B0/secret-token-1234", answer)
    with pytest.raises(ServiceError) as caught:
        await send(Slack, settings, url, "it failed")
    assert "secret-token" not in str(caught.value)
    return caught.value


async def test_slack(provider: Server, settings: MakeSettings, response: Respond) -> None:
    await send(Slack, settings(), provider.on("/slack", response(b"ok")), HOSTILE)
    [request] = provider.requests
    body = request.json
    assert body.pop("text").startswith("&lt;!channel&gt; @everyone &lt;@U1&gt; &amp; [site]")
    assert set(body.values()) == {False}  # no names, no markup, no previews
    assert request.headers["content-type"] == "application/json"


async def test_discord(provider: Server, settings: MakeSettings, response: Respond) -> None:
    url = provider.on("/discord", response(b"", status="204 No Content", length=None))
    await send(Discord, settings(), url, HOSTILE + "_" * 3000)
    body = provider.requests[0].json
    assert body["allowed_mentions"] == {"parse": []}
    assert len(body["content"]) == 1900
    assert r"\[site\]\(https://evil.example\) \`x\` \*b\* \|\|s\|\| 正在 🔥" in body["content"]
    assert body["flags"] == 4


@pytest.mark.parametrize(
    ("status", "retryable"),
    [("404 Not Found", False), ("403 Forbidden", False), ("410 Gone", False), ("500 X", True)],
)
async def test_a_refusal(
    provider: Server, settings: MakeSettings, response: Respond, status: str, retryable: bool
) -> None:
    error = await refusal(settings(), provider, response(b"no_service", status=status))
    assert (str(error), error.retryable) == ("no_service", retryable)


@pytest.mark.parametrize(
    ("body", "headers", "wait_s"),
    [
        (b"", {"Retry-After": "7"}, 7),
        (b'{"message": "x", "retry_after": 0.65, "global": false}', {}, 0.65),
        (b'{"retry_after": 1.5}', {"Retry-After": "1"}, 1.5),
        (b'{"retry_after": 1e300}', {"Retry-After": "2"}, 2),
        (b'{"retry_after": -1}', {}, None),
        (b"[", {}, None),
    ],
)
async def test_how_long_to_wait(
    provider: Server,
    settings: MakeSettings,
    response: Respond,
    body: bytes,
    headers: dict[str, Any],
    wait_s: float | None,
) -> None:
    answer = response(body, status="429 Too Many Requests", **headers)
    error = await refusal(settings(), provider, answer)
    assert error.retryable
    assert error.retry_after == (None if wait_s is None else timedelta(seconds=wait_s))


@pytest.mark.parametrize(
    "url", ["http://no-such-host.invalid/token-1234", "http://127.0.0.1:1/token-1234"]
)
async def test_nobody_there(settings: MakeSettings, url: str) -> None:
    with pytest.raises(ServiceError, match="Slack could not be reached to take an alert") as caught:
        await send(Slack, settings(), url, "it failed")
    assert caught.value.retryable
    assert "token-1234" not in str(caught.value)


async def test_an_address_that_cannot_be_asked(settings: MakeSettings) -> None:
    with pytest.raises(ServiceError, match="the address of Slack is not a valid URL"):
        await send(Slack, settings(), "https://exa_mple.\u2100com/token-1234", "it failed")
