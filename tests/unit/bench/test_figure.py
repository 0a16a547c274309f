import pytest

from bench.figure import Figure, Goal, at_least, at_most, at_most_of_node, in_turn

WHAT, OURS, THEIRS, RATIO, GOAL, VERDICT, OVER = range(7)


def test_a_row_holds_medians_their_range_and_the_ratio_of_both() -> None:
    cells = Figure("x", "s", [0.5, 0.3, 0.4], [0.2]).cells()
    assert cells == ["x", "0.40 s (0.30–0.50)", "0.20 s", "2.00", "", "", "3 rounds"]


def test_without_node_there_is_no_ratio() -> None:
    cells = Figure("x", "MiB", [60.2], goal=at_most(60)).cells()
    assert (cells[THEIRS], cells[RATIO]) == ("–", "")


@pytest.mark.parametrize(
    ("goal", "told", "verdict"),
    [
        pytest.param(at_most(3), "≤ 3 MiB", "reached", id="at-most"),
        pytest.param(at_most(2), "≤ 2 MiB", "**short**", id="above"),
        pytest.param(at_least(3), "≥ 3 MiB", "reached", id="at-least"),
        pytest.param(at_least(4), "≥ 4 MiB", "**short**", id="below"),
        pytest.param(at_most_of_node(0.5), "≤ 0.50 of Node's", "reached", id="by-node"),
        pytest.param(at_most_of_node(0.4), "≤ 0.40 of Node's", "**short**", id="more-than-node"),
    ],
)
def test_what_falls_short_of_its_goal_is_called_so(goal: Goal, told: str, verdict: str) -> None:
    cells = Figure("x", "MiB", [3], [6], goal).cells()
    assert (cells[GOAL], cells[VERDICT]) == (told, verdict)


def test_a_goal_beside_node_needs_a_figure_of_node() -> None:
    assert Figure("x", "s", [1], goal=at_most_of_node(1)).cells()[VERDICT] == "not measured"


@pytest.mark.parametrize(
    ("goals", "verdict"),
    [
        pytest.param((at_most(3), at_most_of_node(0.5)), "reached", id="both"),
        pytest.param((at_most(3), at_most_of_node(0.4)), "**short**", id="one-alone"),
        pytest.param((), "", id="none"),
    ],
)
def test_several_goals_count_together(goals: tuple[Goal, ...], verdict: str) -> None:
    cells = Figure("x", "MiB", [3], [6], goals).cells()
    assert cells[VERDICT] == verdict
    assert cells[GOAL].count("≤") == len(goals)


def test_a_goal_is_judged_by_what_the_table_shows() -> None:
    cells = Figure("x", "number", [2.124], [2.12], at_most_of_node(1)).cells()
    assert (cells[OURS], cells[RATIO], cells[VERDICT]) == ("2.12", "1.00", "reached")
    assert Figure("x", "s", [0.406], goal=at_most(0.4)).cells()[VERDICT] == "**short**"


async def test_rounds_alternate_so_that_a_slow_moment_hits_both() -> None:
    done: list[str] = []

    async def python() -> int:
        done.append("python")
        return len(done)

    async def node() -> int:
        done.append("node")
        return len(done)

    assert await in_turn(2, python, node) == [[1, 3], [2, 4]]
    assert done == ["python", "node", "python", "node"]
