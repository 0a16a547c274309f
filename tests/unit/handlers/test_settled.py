"""Rows are read until they stand still, which a deletion in the app may take a while for."""

from dataclasses import dataclass

import pytest

from core.errors import RequeueLater
from handlers import _settled
from handlers._settled import settled


@dataclass(frozen=True)
class Reading:
    numbering: int
    is_settled: bool = False


class Table:
    """Gives `readings` in turn, then the last one again."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = list(readings)
        self.count = 0

    async def read(self) -> Reading:
        self.count += 1
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(_settled, "_PAUSE_S", 0)


async def test_numbers_that_agree_are_read_once() -> None:
    table = Table(Reading(1, is_settled=True))
    await settled(table.read)
    assert table.count == 1


async def test_a_deletion_is_waited_for() -> None:
    table = Table(Reading(1), Reading(2), Reading(3, is_settled=True))
    assert (await settled(table.read)).numbering == 3


async def test_what_stands_still_is_taken() -> None:
    """A shot has no clip."""
    table = Table(Reading(1), Reading(2), Reading(2))
    assert (await settled(table.read)).numbering == 2
    assert table.count == 3


async def test_a_deletion_without_end_sends_the_job_back() -> None:
    with pytest.raises(RequeueLater, match="being deleted"):
        await settled(Table(*(Reading(number) for number in range(100))).read)
