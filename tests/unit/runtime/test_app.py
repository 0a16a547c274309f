"""The worker's life, before it has jobs."""

import asyncio

import pytest

from bullmq_consumer.health.status import WorkerStatus
from core.alert import Alert
from runtime import app
from runtime.alerts.alerts import Alerts
from tests.support.logs import settings_of


async def test_a_redis_that_is_long_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_REDIS_ALERT_AFTER_S", 0.05)
    stop = asyncio.Event()
    told: list[Alert] = []

    class Told(Alerts):
        def notify(self, alert: Alert) -> None:
            told.append(alert)
            stop.set()

    settings = settings_of(REDIS_URL="redis://:pass-word@127.0.0.1:1/0")
    life = app.Life(settings, WorkerStatus(), Told([], str, ""), stop)
    assert await asyncio.wait_for(life.live(wait_for_redis=True), 10) == app.EXIT_OK
    assert [alert.text for alert in told] == [
        "⏳ The worker waits for Redis since its start, 5 minutes ago: redis://127.0.0.1:1/0"
    ]
