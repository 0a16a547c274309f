"""The figures as Markdown: for the terminal a table, for `bench/results.md` all of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.figure import HEAD, Figure

_HERE = Path(__file__).parent
RESULTS = _HERE / "results.md"
_NOTES = _HERE / "notes"

_INTRODUCTION = """\
Written by `make bench`: a complete run replaces this page, `bench/notes/` holds its prose. Both
workers were measured in turn in one run on one machine. A cell is the median, in parentheses the
lowest and the highest; the ratio is that of the medians, this worker's by Node's. A goal is judged
by what the table shows of a figure.
"""


def table(figures: Sequence[Figure]) -> str:
    """All figures in one table."""
    rows = [HEAD, ["---", "---:", "---:", "---:", "---:", "---", "---"]]
    rows += [one.cells() for one in figures]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def notes(sections: Sequence[str]) -> dict[str, str]:
    """How each section's figures are measured, and what was tried."""
    return {name: (_NOTES / f"{name}.md").read_text("utf-8").strip() for name in sections}


def page(machine: Mapping[str, str], figures: Sequence[Figure], told: Mapping[str, str]) -> str:
    """`results.md`."""
    facts = "".join(f"- {name}: {value}\n" for name, value in machine.items())
    parts = ["# Results\n", _INTRODUCTION, facts, table(figures)]
    return "\n".join([*parts, *(f"{text}\n" for text in told.values())])
