from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pytest
from redis.exceptions import NoPermissionError

from bullmq_consumer.redis.clock import RedisClock

NOON = 1_800_000_000.0


class Machine:
    """Its two clocks, of which the wall's may be wrong, and a Redis whose clock is right."""

    def __init__(self, wrong_by_s: float = 0.0) -> None:
        self.passed_s = 0.0
        self.wrong_by_s = wrong_by_s
        self.asked = 0
        self.refuses = False
        self.takes_s: Iterator[float] = repeat(0.0)
        redis: Any = self
        self.clock = RedisClock(redis, self.wall, self.monotonic)

    def wall(self) -> float:
        return NOON + self.passed_s + self.wrong_by_s

    def monotonic(self) -> float:
        return 77.0 + self.passed_s

    async def time(self) -> tuple[int, int]:
        self.asked += 1
        if self.refuses:
            raise NoPermissionError("no right to time")
        told = NOON + self.passed_s
        self.passed_s += next(self.takes_s)
        return int(told), round(told % 1 * 1e6)


@pytest.mark.parametrize("wrong_by_s", [0.0, -3600.0, 86_400.0])
async def test_a_wrong_clock_of_the_machine_does_not_matter(wrong_by_s: float) -> None:
    machine = Machine(wrong_by_s)
    await machine.clock.sync()
    machine.passed_s = 90
    assert machine.clock.now_ms() == round((NOON + 90) * 1000)


async def test_redis_is_asked_once_in_ten_minutes() -> None:
    machine = Machine()
    for machine.passed_s in range(0, 1230, 30):
        await machine.clock.sync()
    assert machine.asked == 2


async def test_a_clock_that_was_set_is_read_again() -> None:
    machine = Machine()
    await machine.clock.sync()
    machine.wrong_by_s = 3600
    await machine.clock.sync()
    await machine.clock.sync()
    assert machine.asked == 2
    assert machine.clock.now_ms() == round(NOON * 1000)


async def test_of_slow_answers_the_quickest_counts() -> None:
    machine = Machine()
    machine.takes_s = iter([3.0, 0.5, 1.0])
    await machine.clock.sync()
    assert machine.asked == 3
    assert machine.clock.now_ms() == round((NOON + 4.5 - 0.5) * 1000)


async def test_until_redis_told_its_time_it_is_the_machines() -> None:
    machine = Machine(5)
    assert machine.clock.now_ms() == round((NOON + 5) * 1000)


async def test_who_may_not_ask_goes_by_the_machine_and_hears_of_it_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine = Machine(5)
    machine.refuses = True
    await machine.clock.sync()
    machine.passed_s = 700
    await machine.clock.sync()
    assert machine.clock.now_ms() == round((NOON + 705) * 1000)
    assert [one.getMessage() for one in caplog.records] == [
        "Redis does not tell the worker its time (TIME): delays and schedules go by the clock of "
        "this machine"
    ]
