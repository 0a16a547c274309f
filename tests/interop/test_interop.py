"""The table with the app's version of BullMQ, and a few random programs: see `make interop`."""

from collections.abc import AsyncIterator, Sequence

import pytest

from tests.interop.__main__ import programs
from tests.interop.known import KnownList, known_list
from tests.interop.ours import no_chance
from tests.interop.stage import PACKAGES, Stage
from tests.interop.table import Scenario, table
from tests.interop.verdict import judge_all

VERSION = next(iter(PACKAGES))
# Each part is a test, so that those who run tests side by side can share them out.
_PARTS = 3
_PROGRAMS = 12
_REPEATS = 2


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with Stage(VERSION) as stage:
        yield stage


async def _unnamed(stage: Stage, scenarios: Sequence[Scenario], known: KnownList) -> list[str]:
    """Differences that show each time: on a busy machine a key may have expired at the look."""
    with no_chance():
        verdicts = await judge_all(stage, scenarios, known)
        for _ in range(_REPEATS):
            if again := [one.scenario for one in verdicts if one.unnamed]:
                verdicts = await judge_all(stage, again, known)
    return [f"{one.scenario.name}: {each}" for one in verdicts for each in one.unnamed]


@pytest.mark.parametrize("part", range(_PARTS))
async def test_ours_leaves_what_nodes_worker_leaves(stage: Stage, part: int) -> None:
    assert await _unnamed(stage, table()[part::_PARTS], known_list()) == []


async def test_random_programs_end_as_with_nodes_worker(stage: Stage) -> None:
    assert await _unnamed(stage, programs(1, _PROGRAMS), known_list()) == []


def test_each_known_difference_speaks_of_a_scenario_that_is_there() -> None:
    assert known_list().without_a_scenario([one.name for one in table()]) == []
