"""Amends some of the library's scripts by steps that run first, atomically with them."""

from importlib import resources
from typing import Any

PLACES = {
    "moveToActive": (1, 8, 9),
    "moveToFinished": (1, 8, 9),
    "retryJob": (2, 3, 5),
    "moveStalledJobsToWait": (2, 6, 5),
    "updateJobScheduler": (3, 4, 5),
}
"""Scripts that put jobs into `wait`, and where among their keys `wait`, `paused`, `meta` are."""


def amend(connection: Any) -> None:
    """Prepend our code to the scripts of a connection of the library's.

    The rest of each script is unchanged.
    """
    commands = connection.commands
    for name, places in PLACES.items():
        beginning = _own("paused_list.lua")
        if name == "updateJobScheduler":
            beginning += _own("keep_repeat_data.lua")
        beginning += "local KEYS = waiting_in(KEYS, {}, {}, {})\n".format(*places)
        commands[name] = connection.conn.register_script(beginning + commands[name].script)


def _own(file: str) -> str:
    return resources.files("bullmq_consumer.scripts").joinpath(file).read_text("utf-8")
