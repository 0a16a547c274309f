"""Whether the worker's command line understands a line of a page, without running anything."""

import shlex

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from commands.app import app


def refusal(line: str) -> str:
    """Why `python worker.py …` would refuse this line of shell; empty for one that it takes."""
    words = shlex.split(line, comments=True)
    if "worker.py" not in words:
        return ""
    arguments = words[words.index("worker.py") + 1 :]
    ends = [number for number, word in enumerate(arguments) if word in {"|", "&&", "&", ">", ";"}]
    try:
        _parse(arguments[: ends[0]] if ends else arguments)
    except typer.Exit:
        return ""  # --help and --version
    except TyperException as error:
        return str(error)
    return ""


def _parse(arguments: list[str]) -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    with group.make_context("worker.py", arguments) as context:
        words = [*context._protected_args, *context.args]  # pyright: ignore[reportPrivateUsage]
        if words:
            name, command, rest = group.resolve_command(context, words)
            assert command is not None
            command.make_context(name, rest, parent=context)
