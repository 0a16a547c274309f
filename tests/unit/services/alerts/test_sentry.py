"""Events in envelopes, as a Sentry on this machine receives them from the real SDK."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from traceback import TracebackException
from typing import Any

import pytest
from pydantic import SecretStr

from config.logging.redaction import redactor
from config.settings import Settings
from core.alert import Alert, Notice
from core.errors import ServiceError
from services.alerts.post import AlertPost
from services.alerts.sentry import Sentry
from tests.support.server import Server

MakeSettings = Callable[..., Settings]
Respond = Callable[..., bytes]
KEY = "0123456789abcdef0123456789abcdef"
SECRET = "supabase-key"  # as the settings of these tests have it
PATH = "/api/42/envelope/"


def refused() -> Alert:
    local = f"a local variable with {SECRET}"
    try:
        try:
            raise KeyError(f"inner {SECRET}")
        except KeyError as cause:
            raise ValueError(f"refused: {SECRET}") from cause
    except ValueError as error:
        assert local
        trace = TracebackException.from_exception(error)
    about = {"job_id": "j1", "job_name": "double", "project_id": f"p {SECRET}"}
    return Alert("double refused", f"❌ Failed: double j1: {SECRET}", "error", about, trace)


def channel(server: Server, settings: Settings) -> Sentry:
    dsn = f"http://{KEY}@127.0.0.1:{server.port}/42"
    return Sentry(settings, SecretStr(dsn), redactor(settings.secrets()))


async def sent(server: Server, settings: Settings, alert: Alert, more: int = 0) -> Any:
    """The event of the one envelope that arrived."""
    sentry = channel(server, settings)
    await sentry.send(Notice(alert, alert.text, more))
    await sentry.aclose()
    [request] = server.to(PATH)
    assert f"sentry_key={KEY}" in request.headers["x-sentry-auth"]
    _, item, event = request.body.splitlines()
    assert json.loads(item)["type"] == "event"
    assert SECRET not in request.body.decode()
    assert "local variable" not in request.body.decode()
    return json.loads(event)


async def test_an_event(provider: Server, settings: MakeSettings, response: Respond) -> None:
    provider.on(PATH, response(b"{}"))
    found = settings(NODE_ENV="production", QUEUE_PREFIX="q1")
    event = await sent(provider, found, refused(), more=136)
    assert event["tags"] == {
        "queue": "q1",
        "job_id": "j1",
        "job_name": "double",
        "project_id": "p ***",
    }
    assert event["message"] == "❌ Failed: double j1: ***"
    assert event["extra"] == {"more_like_it": 136}
    assert (event["environment"], event["level"]) == ("production", "error")
    assert event["fingerprint"] == ["double refused"]
    cause, error = event["exception"]["values"]
    assert (cause["type"], error["type"]) == ("KeyError", "ValueError")
    assert error["value"] == "refused: ***"
    [frame] = error["stacktrace"]["frames"]
    assert (frame["function"], frame["in_app"]) == ("refused", True)
    assert frame["context_line"].startswith("raise ValueError")
    assert {"modules", "breadcrumbs", "user", "request", "threads"}.isdisjoint(event)


async def test_a_refusal_says_how_long_to_wait(
    provider: Server, settings: MakeSettings, response: Respond
) -> None:
    provider.on(PATH, response(b"", status="429 Too Many Requests", Retry_After="60"))
    with pytest.raises(ServiceError, match="Sentry answered 429") as caught:
        await sent(provider, settings(), Alert("k", "it failed", "fatal"))
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() == 60


LIMITS = {
    "ours": ("60:error;transaction:organization", 60),
    "all": ("2700::organization:quota_exceeded", 2700),
    "the longest": ("60:error:key, 2700:default;error:project, 9000:session:key", 2700),
    "others alone": ("60:transaction:key, 2700:default;error_attachment:organization", None),
    "unreadable": (" , soon:error:key, -5:error:key, 12345678901:error:key", None),
}


@pytest.mark.parametrize("status", ["200 OK", "429 Too Many Requests"])
@pytest.mark.parametrize("case", LIMITS)
async def test_a_limit_of_errors_is_obeyed_whatever_the_status(
    provider: Server, settings: MakeSettings, response: Respond, status: str, case: str
) -> None:
    """Sentry drops what is sent meanwhile, and counts it."""
    header, wait_s = LIMITS[case]
    provider.on(PATH, response(b"{}", status=status, X_Sentry_Rate_Limits=header))
    sentry = channel(provider, settings())
    notice = Notice(Alert("k", "it failed", "fatal"), "it failed")
    if status == "200 OK":
        await sentry.send(notice)
    else:
        with pytest.raises(ServiceError, match="Sentry answered 429") as refused_now:
            await sentry.send(notice)
        waits = refused_now.value.retry_after
        assert waits == (None if wait_s is None else timedelta(seconds=wait_s))
    if wait_s is None:
        provider.on(PATH, response(b"{}"))
        await sentry.send(notice)
    else:
        with pytest.raises(ServiceError, match="takes no alerts for") as raised:
            await sentry.send(notice)
        assert raised.value.retryable
        assert raised.value.retry_after is not None
        assert wait_s - 30 < raised.value.retry_after.total_seconds() <= wait_s
    assert len(provider.to(PATH)) == (1 if wait_s else 2)
    await sentry.aclose()


async def test_a_limit_that_is_over_is_forgotten(
    provider: Server, settings: MakeSettings, response: Respond
) -> None:
    now = 100.0
    url = provider.on(PATH, response(b"{}", X_Sentry_Rate_Limits="60::key"), response(b"{}"))
    post = AlertPost(settings(), "Sentry", lambda: now)
    await post.send(url)
    now = 159.9
    with pytest.raises(ServiceError):
        await post.send(url)
    now = 160.0
    await post.send(url)
    assert len(provider.to(PATH)) == 2
    await post.aclose()


async def test_the_environment_of_the_sdk_changes_nothing(
    provider: Server,
    settings: MakeSettings,
    response: Respond,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = "http://127.0.0.1:1"
    for name in ("SENTRY_SPOTLIGHT", "HTTP_PROXY", "http_proxy", "SENTRY_DSN"):
        monkeypatch.setenv(name, elsewhere)
    monkeypatch.setenv("SENTRY_DEBUG", "1")
    monkeypatch.setenv("SENTRY_RELEASE", "r1")
    provider.on(PATH, response(b"{}"))
    event = await sent(provider, settings(), Alert("k", "it failed", "fatal"))
    assert event.get("release") in (None, "")


async def test_it_leaves_the_process_as_it_is(
    provider: Server, settings: MakeSettings, response: Respond
) -> None:
    def hooks() -> list[Any]:
        loop = asyncio.get_running_loop()
        return [
            sys.excepthook,
            threading.excepthook,
            threading.Thread.start,
            loop.get_task_factory(),
        ]

    provider.on(PATH, response(b"{}"))
    before = hooks()
    await sent(provider, settings(), refused())
    assert hooks() == before
    names = {thread.name for thread in threading.enumerate()}
    assert not any("sentry" in name.lower() for name in names)


def test_only_an_alert_loads_the_sdk() -> None:
    program = (
        "import sys, runtime.app, services.alerts.channels\n"
        "from config.logging.redaction import redactor\n"
        "from tests.support.logs import settings_of\n"
        "found = settings_of(SENTRY_DSN='https://key@h.example/42')\n"
        "assert len(services.alerts.channels.channels(found, redactor([]))) == 1\n"
        "heavy = {'sentry_sdk', 'starlette', 'uvicorn', 'prometheus_client', 'urllib3'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"
