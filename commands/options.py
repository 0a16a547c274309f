"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

EnvFile = Annotated[
    Path | None,
    typer.Option("--env-file", help="Read this file instead of .env.local and .env."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object; the times in it are ISO, in UTC.")
]


def new_app() -> typer.Typer:
    """The typer application with which a command's module registers its function."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)
