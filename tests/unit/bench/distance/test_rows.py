from collections.abc import Sequence
from typing import Any, cast

import pytest

from bench.distance import ideals
from bench.distance.places import Far, Place
from bench.distance.rows import Rows, Taken
from bench.distance.trips import under_way_s

NEAR, FAR = Place(0, 0), Place(60, 120, tls=True)
WHAT, OURS, THEIRS, RATIO, GOAL, VERDICT, OVER = range(7)


def _worker(name: str) -> Far:
    return cast("Far", name)


async def _rows(values: dict[str, float]) -> list[list[str]]:
    """Of two rounds in two places, in which a worker takes as long as `values` has it."""
    order: list[Any] = []

    async def measure(place: Place, far: Far) -> Sequence[Taken]:
        order.append(far)
        return [Taken("work", values[str(far)], bound=100), Taken("lines", 3, "connections", 2)]

    python, node = ({place: _worker(name) for place in (NEAR, FAR)} for name in ("ours", "node"))
    rows = Rows(python, node)
    await rows.fill(2, measure, apart_s=0)
    assert order == ["ours", "ours", "node", "node"] * 2
    return [figure.cells() for figure in rows.figures()]


async def test_both_workers_are_measured_by_turns_in_all_places() -> None:
    cells = await _rows({"ours": 90, "node": 100})
    assert [row[WHAT] for row in cells] == [
        "0/0 ms: work",
        "0/0 ms: lines",
        "60/120 ms, TLS: work",
        "60/120 ms, TLS: lines",
    ]
    work = cells[2]
    assert (work[OURS], work[THEIRS], work[OVER]) == ("90.0 ms", "100.0 ms", "2 rounds")
    assert (work[GOAL], work[VERDICT]) == ("≤ 100.0 ms, ≤ 0.99 of Node's", "reached")
    assert (cells[3][GOAL], cells[3][VERDICT]) == ("≤ 2 connections", "**short**")


async def test_to_be_as_fast_as_node_is_not_enough() -> None:
    assert (await _rows({"ours": 99.9, "node": 100}))[2][VERDICT] == "**short**"


async def test_without_a_distance_there_is_no_goal() -> None:
    assert (await _rows({"ours": 200, "node": 100}))[0][GOAL] == ""


@pytest.mark.parametrize(
    ("place", "picture_s", "done_ms", "stored_ms"),
    [
        pytest.param(Place(20, 50), 2, 8_210, 8_330, id="near"),
        pytest.param(Place(60, 120), 2, 8_540, 8_870, id="far"),
        pytest.param(Place(60, 120, tls=True), 6, 24_540, 24_870, id="slow"),
    ],
)
def test_what_pictures_take_on_paper(
    place: Place, picture_s: float, done_ms: float, stored_ms: float
) -> None:
    assert ideals.storyboards_ms(place, 12, picture_s) == done_ms
    assert ideals.stored_ms(place, 12, picture_s) == stored_ms


@pytest.mark.parametrize(
    ("trace", "seconds"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([(1, 2), (3, 4)], 2, id="behind-each-other"),
        pytest.param([(1, 2), (1.5, 2.5), (1, 2)], 1.5, id="side-by-side"),
        pytest.param([(-1, 1), (9, 11), (12, 13)], 2, id="its-own-time-alone"),
        pytest.param([(-2, -1), (12, 13)], 0, id="of-other-jobs"),
    ],
)
def test_what_is_under_way_side_by_side_counts_once(
    trace: list[tuple[float, float]], seconds: float
) -> None:
    assert under_way_s(trace, 0, 10) == seconds
