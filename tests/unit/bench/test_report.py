from pathlib import Path

import pytest

from bench import __main__ as program
from bench import report
from bench.figure import HEAD, Figure, at_most
from bench.sections import SECTIONS
from bench.sections.latency import p99


def test_every_section_says_how_it_is_measured() -> None:
    told = report.notes(list(SECTIONS))
    assert all(text.startswith("## ") and len(text.splitlines()) > 2 for text in told.values())
    on_disk = {file.stem for file in (Path(report.__file__).parent / "notes").iterdir()}
    assert on_disk == set(SECTIONS)


def test_the_page_holds_machine_table_and_notes() -> None:
    figures = [Figure("start", "s", [0.5], [0.25], at_most(0.4))]
    page = report.page({"memory": "8 GiB"}, figures, {"start": "## Start\n\nText."})
    lines = page.splitlines()
    assert "- memory: 8 GiB" in lines
    assert "| start | 0.50 s | 0.25 s | 2.00 | ≤ 0.40 s | **short** | 1 round |" in lines
    head = lines.index(f"| {' | '.join(HEAD)} |")
    assert lines.index("## Start") > head
    assert page.endswith("Text.\n")


@pytest.mark.parametrize(
    ("number", "rank"),
    [
        pytest.param(1, 1, id="one"),
        pytest.param(10, 10, id="ten"),
        pytest.param(100, 99, id="hundred"),
        pytest.param(200, 198, id="two-hundred"),
    ],
)
def test_the_99th_percentile(number: int, rank: int) -> None:
    assert p99(list(range(number, 0, -1))) == rank


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(["--only", "start,speed"], "unknown: speed; there are start, ", id="section"),
        pytest.param(["--rounds", "0"], "0 is not a whole number from 1", id="rounds"),
    ],
)
def test_wrong_words_are_named(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        program.read_options(arguments)
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complete"),
    [
        pytest.param([], True, id="all"),
        pytest.param(["--rounds", "7"], True, id="more-rounds"),
        pytest.param(["--quick"], False, id="quick"),
        pytest.param(["--only", "idle, start"], False, id="some"),
    ],
)
def test_only_a_complete_run_replaces_the_page(arguments: list[str], complete: bool) -> None:
    assert program.read_options(arguments).complete is complete


def test_sections_keep_the_order_of_the_table() -> None:
    assert program.read_options(["--only", "idle,start"]).sections == ["start", "idle"]
