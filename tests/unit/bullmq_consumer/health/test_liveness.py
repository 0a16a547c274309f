"""When a worker should make room for a new one."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullmq_consumer.health.liveness import (
    LIMIT,
    LastSigns,
    Signs,
    is_quiet,
    is_starved,
    until_starved,
)
from bullmq_consumer.redis.clients import BLOCK_S, RedisUnreachable

LIMIT_S = LIMIT.total_seconds()


@pytest.mark.parametrize(
    ("fetch", "full", "silence", "starved"),
    [
        (0, 0, 0, True),  # Redis answers, and yet nothing comes
        (1, 0, 0, False),
        (0, 1, 0, False),  # all places were taken until then
        (0, 0, 1, False),  # until then Redis was away
    ],
)
def test_five_minutes_without_a_reason_are_too_many(
    fetch: float, full: float, silence: float, starved: bool
) -> None:
    assert is_starved(Signs(fetch, full, silence), now=LIMIT_S) is starved


times = st.floats(0, 1e6)


@given(times, times, times, times)
def test_redis_is_asked_before_the_worker_ends(
    fetch: float, full: float, silence: float, later: float
) -> None:
    signs = Signs(fetch, full, silence)
    now = max(fetch, full, silence) + later
    assert is_quiet(signs, now) or not is_starved(signs, now)


def test_an_idle_worker_is_not_quiet() -> None:
    assert not is_quiet(Signs(0, 0, 0), now=BLOCK_S + 5)


@dataclass
class Stuck:
    """A consumer that fetches nothing."""

    last_fetch: float
    is_full: bool = False


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bullmq_consumer.health.liveness._QUIET_S", 0.05)


async def pong() -> None:
    """Redis answers."""


@pytest.mark.usefixtures("quickly")
async def test_a_stuck_worker_is_found() -> None:
    consumer = Stuck(time.monotonic())
    async with asyncio.timeout(5):
        await until_starved(consumer, pong, LastSigns(), limit=timedelta(seconds=0.2), check_s=0.01)
    assert time.monotonic() - consumer.last_fetch >= 0.2


@pytest.mark.usefixtures("quickly")
async def test_an_outage_is_told_and_then_counts_for_nothing(lines: list[str]) -> None:
    consumer, back = Stuck(time.monotonic()), asyncio.Event()
    told = asyncio.Event()

    async def ping() -> None:
        if not back.is_set():
            told.set()
            raise RedisUnreachable("Redis at x does not answer", reason="x", is_final=False)

    watch = asyncio.create_task(
        until_starved(consumer, ping, LastSigns(), limit=timedelta(seconds=0.1), check_s=0.01)
    )
    async with asyncio.timeout(5):
        await told.wait()
        await asyncio.sleep(0.3)
        assert not watch.done()
        back.set()
        came_back = time.monotonic()
        await watch
    assert time.monotonic() - came_back > 0.05
    assert lines == ["WARNING No job can be fetched: Redis at x does not answer"]


async def test_a_worker_that_fetches_never_asks() -> None:
    async def ping() -> None:
        raise AssertionError("a command for nothing")

    consumer = Stuck(time.monotonic())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await until_starved(consumer, ping, LastSigns(), check_s=0.001)


@pytest.mark.usefixtures("quickly")
async def test_a_full_worker_may_take_its_time() -> None:
    consumer = Stuck(time.monotonic(), is_full=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await until_starved(
                consumer, pong, LastSigns(), limit=timedelta(seconds=0.1), check_s=0.01
            )
