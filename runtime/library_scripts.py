"""What some of the library's scripts do first, in the same atomic step."""

from importlib import resources
from typing import Any

_KEEP_DATA = "keep_repeat_data.lua"


def amend(connection: Any) -> None:
    """Put our beginnings in front of the scripts of a connection of the library's.

    The rest of each is the library's own text, whatever its version.
    """
    commands = connection.commands
    for name, beginning in _beginnings().items():
        commands[name] = connection.conn.register_script(f"{beginning}\n{commands[name].script}")


def _beginnings() -> dict[str, str]:
    return {"updateJobScheduler": _own(_KEEP_DATA)}


def _own(file: str) -> str:
    return resources.files("runtime").joinpath(file).read_text("utf-8")
