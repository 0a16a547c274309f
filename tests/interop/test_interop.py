"""The table with the app's version of BullMQ, and a few random programs: see `make interop`."""

from collections.abc import AsyncIterator, Sequence

import pytest

from tests.interop import stage as stages
from tests.interop.__main__ import programs
from tests.interop.known import KnownList, known_list
from tests.interop.ours import no_chance
from tests.interop.stage import PACKAGES, Stage
from tests.interop.steps import add, job, refusable, until, work, work_held
from tests.interop.table import Scenario, table
from tests.interop.verdict import judge, judge_all

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


async def test_what_both_sides_are_refused_is_a_fault_unless_it_is_to_be(stage: Stage) -> None:
    retry = job("a", "retry", "failed")
    verdict = await judge(stage, Scenario("refused", [retry, work()]), KnownList([]))
    [fault] = verdict.unnamed
    assert fault.path == "(fault of the scenario)/step 1 retry"
    assert fault.node == fault.ours == '"refused: There is no job a"'
    verdict = await judge(stage, Scenario("refused", [refusable(retry), work()]), KnownList([]))
    assert verdict.unnamed == []


async def test_so_is_what_both_sides_wait_for_in_vain(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "_PATIENCE_S", 1)
    steps = [add("a"), work(), until("a", "failed"), work_held()]
    verdict = await judge(stage, Scenario("stuck", steps), KnownList([]))
    faults = [one for one in verdict.unnamed if one.path.startswith("(fault of the scenario)")]
    assert [(one.path, one.ours) for one in faults] == [
        ("(fault of the scenario)/step 3 until", '"stuck"'),
        ("(fault of the scenario)/step 4 work", '"stuck"'),
    ]


def test_each_known_difference_speaks_of_a_scenario_that_is_there() -> None:
    assert known_list().without_a_scenario([one.name for one in table()]) == []
