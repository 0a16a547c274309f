"""worker.py demo: a whole project on this machine."""

import importlib
import sys

import typer

from commands.options import new_app

app = new_app()


@app.command(short_help="A whole project on this machine, without account or key.")
def demo() -> None:
    """Play a whole project on this machine: no account, no key, ends by itself."""
    try:
        play = importlib.import_module("sandbox.demo").main
    except ModuleNotFoundError as error:
        sys.exit(f"The demo needs the sandbox's packages ('{error.name}' is missing): `make demo`")
    raise typer.Exit(play())
