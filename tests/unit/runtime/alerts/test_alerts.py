"""Alerts on their way to real channels, whose servers answer, refuse, hang or are not there."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from bullmq_consumer.safety import fence
from config.logging.redaction import redactor
from core.alert import Alert
from core.errors import LockLost
from runtime.alerts.alerts import Alerts, open_alerts
from services.alerts.channels import channels
from tests.support.logs import settings_of
from tests.support.server import Server, response, running
from tests.support.stopwatch import Stopwatch

SLACK, DISCORD = "/services/T0/B0/slack-secret-token", "/api/webhooks/1/discord-secret-token"
OK = response(b"ok")
KEY = "sb_secret_12345"


def failure(number: int = 0, kind: str = "k") -> Alert:
    return Alert(kind, f"❌ Failed: job {number} with {KEY}", "error", {"job_id": str(number)})


@pytest.fixture
async def hooks() -> AsyncIterator[Server]:
    async with running(Server()) as server:
        server.on(SLACK, OK)
        server.on(DISCORD, response(b"", status="204 No Content", length=None))
        yield server


def variables(server: Server) -> dict[str, str]:
    urls = {"SLACK_WEBHOOK_URL": SLACK, "DISCORD_WEBHOOK_URL": DISCORD}
    return {name: server.url(path) for name, path in urls.items()}


@asynccontextmanager
async def alerts_of(
    window: timedelta = timedelta(seconds=30), **values: str
) -> AsyncIterator[Alerts]:
    settings = settings_of(**values)
    redact = redactor(settings.secrets())
    to = channels(settings, redact)
    alerts = Alerts(to, redact, "test, queue q, host h", window=window)
    sending = asyncio.create_task(alerts.run())
    try:
        yield alerts
    finally:
        sending.cancel()
        await asyncio.wait({sending})
        for channel in to:
            await channel.aclose()


async def test_a_thousand_of_a_kind_are_two_messages(hooks: Server) -> None:
    async with alerts_of(timedelta(seconds=0.3), **variables(hooks)) as alerts:
        for number in range(1000):
            alerts.notify(failure(number))
        first, summary = [one.json["text"] for one in await hooks.until(SLACK, 2)]
        await hooks.until(DISCORD, 2)
        alerts.notify(failure(kind="another"))
        await hooks.until(SLACK, 3)
        await hooks.until(DISCORD, 3)
    assert first == "❌ Failed: job 0 with *** · test, queue q, host h"
    assert summary.startswith("… and 999 more like it in the last minute, e.g. ❌ Failed: job 999")
    assert len(hooks.to(SLACK)) == len(hooks.to(DISCORD)) == 3


async def test_retry_after_is_obeyed_and_nothing_is_lost(hooks: Server, lines: list[str]) -> None:
    hooks.on(SLACK, response(b"", status="429 Too Many Requests", Retry_After="2"), OK)
    async with alerts_of(SLACK_WEBHOOK_URL=hooks.url(SLACK)) as alerts:
        alerts.notify(failure())
        await hooks.until(SLACK, 1)
        began = time.monotonic()
        await hooks.until(SLACK, 2)
        assert time.monotonic() - began > 1.9
    warnings = [line for line in lines if line.startswith("WARNING")]
    assert warnings == [
        "WARNING Alerts do not reach Slack (see SLACK_WEBHOOK_URL): Slack answered 429 to take an "
        "alert"
    ]


async def test_a_channel_that_hangs_holds_up_nobody(hooks: Server) -> None:
    hooks.on(SLACK, hooks.hang)
    async with alerts_of(**variables(hooks)) as alerts:
        telling = Stopwatch()
        for number in range(2000):
            alerts.notify(failure(number, f"kind {number % 20}"))
        assert telling.seconds() < 1
        await hooks.until(SLACK)
        await hooks.until(DISCORD, 2)
        began, draining = time.monotonic(), Stopwatch()
        await alerts.drain(timedelta(seconds=0.3))
        assert time.monotonic() - began > 0.25
        assert draining.seconds() < 1
    assert len(hooks.to(SLACK)) == 1


async def test_what_waits_goes_out_at_the_end_without_a_pause(hooks: Server) -> None:
    watch = Stopwatch()
    async with alerts_of(**variables(hooks)) as alerts:
        for number in range(10):
            alerts.notify(failure(number, f"kind {number % 5}"))
        await alerts.drain(timedelta(seconds=30))
    assert watch.seconds() < 8  # with pauses it takes nine
    sent = [one.json["text"] for one in hooks.to(SLACK)]
    assert len(sent) == len(hooks.to(DISCORD)) == 10
    assert sum("and 1 more like it" in text for text in sent) == 5
    assert KEY not in "".join(sent)


async def test_a_wrong_address_is_told_once_and_never_shown(
    hooks: Server, lines: list[str]
) -> None:
    hooks.answers.clear()
    async with alerts_of(**variables(hooks)) as alerts:
        for number in range(20):
            alerts.notify(failure(number, f"kind {number}"))
        await alerts.drain(timedelta(seconds=30))
    assert len(hooks.to(SLACK)) == 20
    warnings = sorted(line for line in lines if line.startswith("WARNING"))
    assert warnings == [
        "WARNING Alerts do not reach Discord (see DISCORD_WEBHOOK_URL): nothing here",
        "WARNING Alerts do not reach Slack (see SLACK_WEBHOOK_URL): nothing here",
    ]
    assert "secret-token" not in "".join(lines)


async def test_more_than_a_channel_can_take_is_left_out(hooks: Server, lines: list[str]) -> None:
    hooks.on(SLACK, hooks.hang)
    window = timedelta(milliseconds=1)
    async with alerts_of(window, SLACK_WEBHOOK_URL=hooks.url(SLACK)) as alerts:
        for number in range(130):
            alerts.notify(failure(number))
            await asyncio.sleep(0.002)
        await hooks.until(SLACK)
    assert sum("100 alerts wait already" in line for line in lines) == 1


async def test_alerts_of_a_job_that_was_lost_go_out(hooks: Server) -> None:
    """They are sent from outside of the job, whose requests are refused."""

    class Lost:
        job_id = "j1"

        async def check(self) -> None:
            raise LockLost

    async with open_alerts(settings_of(**variables(hooks))) as alerts:
        with fence.fenced(Lost()):
            alerts.notify(failure())
    assert len(hooks.to(SLACK)) == 1


async def test_without_channels_nothing_is_done() -> None:
    async with open_alerts(settings_of()) as alerts:
        before = len(asyncio.all_tasks())
        alerts.notify(failure())
        assert len(asyncio.all_tasks()) <= before


async def test_a_missing_package_is_one_line(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if it were not installed.
    monkeypatch.setattr("services.alerts.channels.find_spec", lambda name: None)
    async with open_alerts(settings_of(SENTRY_DSN="https://key@h.example/42")) as alerts:
        alerts.notify(failure())
    assert lines == [
        "WARNING SENTRY_DSN is set, but nothing goes to Sentry: the package sentry-sdk is missing, "
        "install requirements/worker.txt"
    ]
