"""What a command prints: tables and sentences for people, or one JSON object."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from core.envelope import iso

if TYPE_CHECKING:
    from rich.console import Console

# Without a terminal nobody knows how wide it is: wide enough for one line a job.
_WIDTH_UNKNOWN = 160
# Between two columns, and what of the last one is worth a column.
_GAP = 3
_LEAST_OF_THE_LAST = 10


class Output:
    """Standard output, on which nothing but the answer is written."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def document(self, document: Mapping[str, Any]) -> None:
        """The whole answer of `--json`."""
        typer.echo(json.dumps(_plain(document), ensure_ascii=False, indent=2))

    def line(self, text: str = "") -> None:
        """A sentence, as it stands."""
        typer.echo(printable(text))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """The last column is cut to the terminal's width; on a narrow one it is a line below."""
        from rich.box import SIMPLE_HEAD
        from rich.cells import cell_len
        from rich.table import Table
        from rich.text import Text

        console = self._console()
        cells = [[printable(str(cell)) for cell in row] for row in rows]
        *whole, _ = (max(map(cell_len, column)) for column in zip(columns, *cells, strict=True))
        if sum(whole) + _GAP * len(whole) + _LEAST_OF_THE_LAST > console.width:
            for *first, last in cells:
                console.print(Text("  ".join(first)), soft_wrap=True)
                console.print(Text(f"    {last}"), no_wrap=True, overflow="ellipsis")
            return
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in columns[:-1]:
            table.add_column(column, no_wrap=True)
        table.add_column(columns[-1])
        for row in cells:
            table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
        console.print(table)

    def fields(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Names and values below each other; a value may take several lines."""
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


def printable(text: str) -> str:
    """Foreign text without what would steer the terminal; line breaks stay."""
    return "".join(char if char.isprintable() or char == "\n" else "·" for char in text)


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
    """JSON's own kinds: moments as ISO text."""
    match value:
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}  # pyright: ignore
        case list() | tuple():
            return [_plain(one) for one in value]  # pyright: ignore
        case datetime():
            return iso(value)
        case _:
            return value
