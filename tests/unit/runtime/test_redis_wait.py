"""How long a worker waits between its tries for Redis, and when somebody hears of it."""

import asyncio
from itertools import islice

import pytest

from core.alert import Alert
from runtime import app
from runtime.alerts.alerts import Alerts
from runtime.redis_wait import delays
from runtime.vitals import Vitals
from tests.support.logs import settings_of


def test_the_waits_double_up_to_ten_seconds_and_differ_between_workers() -> None:
    longest = (0.5, 1, 2, 4, 8, 10, 10)
    runs = [tuple(islice(delays(), len(longest))) for _ in range(20)]
    for waits in runs:
        assert all(0.75 * top <= wait <= top for wait, top in zip(waits, longest, strict=True))
    assert len(set(runs)) > 1


async def test_a_redis_that_is_long_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_LONG_AWAY_S", 0.05)
    stop = asyncio.Event()
    told: list[Alert] = []

    class Told(Alerts):
        def tell(self, alert: Alert) -> None:
            told.append(alert)
            stop.set()

    settings = settings_of(REDIS_URL="redis://:pass-word@127.0.0.1:1/0")
    life = app.Life(settings, Vitals(), Told([], str, ""), stop)
    assert await asyncio.wait_for(life.live(wait_for_redis=True), 10) == app.EXIT_OK
    assert [alert.text for alert in told] == [
        "⏳ The worker waits for Redis since its start, 5 minutes ago: redis://127.0.0.1:1/0"
    ]
