"""A command's output: tables and sentences for people, or one JSON object."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from core.jobs.envelope import iso

if TYPE_CHECKING:
    from rich.console import Console

# The width without a terminal: enough for one line per job.
_WIDTH_UNKNOWN = 160
# The gap between two columns, and the least width of the last column.
_GAP = 3
_LEAST_OF_THE_LAST = 10
# The app's longest job name has 21 characters; a foreign one must not displace the other columns.
_LONGEST_NAME = 40


class Output:
    """Standard output, for the command's result alone."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def document(self, document: Mapping[str, Any]) -> None:
        """Print the result of `--json`."""
        text = json.dumps(_plain(document), ensure_ascii=False, indent=2)
        typer.echo("".join(map(_shown_in_json, text)))

    def line(self, text: str = "") -> None:
        """A sentence."""
        typer.echo(printable_line(text))

    def refuse(self, sentences: Iterable[str]) -> None:
        """Print reasons for a refusal on standard error; with `--json` they are in the document."""
        for sentence in sentences:
            typer.echo(f"✗ {printable_line(sentence)}", err=True)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: bool = False
    ) -> None:
        """The last column is cut to the terminal's width; on a narrow one it is a line below.

        With `numbers` it is all cells but the first, each with its column's name.
        """
        from rich.box import SIMPLE_HEAD
        from rich.cells import cell_len
        from rich.table import Table
        from rich.text import Text

        console = self._console()
        cells = [[printable_line(str(cell)) for cell in row] for row in rows]
        *whole, _ = (max(map(cell_len, column)) for column in zip(columns, *cells, strict=True))
        if sum(whole) + _GAP * len(whole) + _LEAST_OF_THE_LAST > console.width:
            lines = (_in_two_lines(columns, row, numbers=numbers) for row in cells)
            self._pairs(console, lines, whole=numbers)
            return
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in columns[:-1]:
            table.add_column(column, no_wrap=True)
        table.add_column(columns[-1])
        for row in cells:
            table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
        console.print(table)

    def _pairs(self, console: "Console", lines: Iterable[tuple[str, str]], *, whole: bool) -> None:
        """Print pairs of lines: the second is cut to the terminal's width, unless `whole`."""
        overflow = "ignore" if whole else "ellipsis"
        for first, below in lines:
            console.print(first, soft_wrap=True)
            if below:
                console.print(f"    {below}", no_wrap=True, overflow=overflow, crop=not whole)

    def fields(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Print names and values, one pair below the other; values may have several lines."""
        for name, value in pairs:
            first, *others = printable(str(value)).split("\n")
            typer.echo(f"{name:<12} {first}")
            for other in others:
                typer.echo(f"{'':<12} {other}")

    def _console(self) -> "Console":
        from rich.console import Console

        is_terminal = sys.stdout.isatty()
        return Console(
            width=None if is_terminal else _WIDTH_UNKNOWN,
            no_color=not is_terminal or "NO_COLOR" in os.environ,
            highlight=False,
            markup=False,
            emoji=False,
        )


def _in_two_lines(columns: Sequence[str], row: Sequence[str], *, numbers: bool) -> tuple[str, str]:
    if numbers:
        named = zip(row[1:], columns[1:], strict=True)
        return row[0], ", ".join(f"{cell} {column}" for cell, column in named if cell != "0")
    return "  ".join(row[:-1]), row[-1]


def printable(text: str) -> str:
    """Untrusted text without control characters for the terminal; line breaks stay."""
    return "\n".join(map(printable_line, text.split("\n")))


def printable_line(text: str) -> str:
    """The same in one line, so that untrusted text cannot start a line of its own."""
    return "".join(char if char.isprintable() else "·" for char in text)


def short_name(name: str) -> str:
    """A job's name, cut to _LONGEST_NAME characters."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _shown_in_json(char: str) -> str:
    """Escapes characters that JSON allows but terminals obey, such as U+009B and U+202E."""
    return char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1]


def age(since: datetime | None, now: datetime | None = None) -> str:
    """How long ago, as `2 h 5 min`."""
    return "" if since is None else length((now or datetime.now(UTC)) - since)


def length(duration: timedelta) -> str:
    """The two largest units: `850 ms`, `12.5 s`, `3 min 20 s`, `2 d 4 h`."""
    seconds = max(duration.total_seconds(), 0)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    for unit, part, unit_s, part_s in _UNITS:
        if seconds >= unit_s:
            whole, rest = divmod(int(seconds), unit_s)
            return f"{whole} {unit} {rest // part_s} {part}"
    raise AssertionError("a minute is the smallest of the units")


_UNITS = (("d", "h", 86_400, 3600), ("h", "min", 3600, 60), ("min", "s", 60, 1))


def _plain(value: Any) -> Any:
    """The value in JSON's types: datetimes as ISO text."""
    match value:
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}  # pyright: ignore
        case list() | tuple():
            return [_plain(one) for one in value]  # pyright: ignore
        case datetime():
            return iso(value)
        case _:
            return value
