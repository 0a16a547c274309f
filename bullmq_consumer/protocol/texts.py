"""The texts of BullMQ's scripts, and what some of them do first, in the same atomic step."""

from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

_BEGINNINGS = {
    "moveToActive-11": ("paused_list.lua",),
    "moveToFinished-14": ("paused_list.lua",),
    "moveToDelayed-11": ("paused_list.lua",),
    "retryJob-11": ("paused_list.lua",),
    "moveJobFromActiveToWait-9": ("paused_list.lua",),
    "moveStalledJobsToWait-9": ("paused_list.lua", "wake_for_left.lua"),
    "updateJobScheduler-12": ("paused_list.lua", "keep_repeat_data.lua"),
}


def load(redis: Redis, name: str) -> AsyncScript:
    """A script of BullMQ's by its file's name, such as `moveToActive-11`.

    The number is that of its keys. Raises FileNotFoundError when the installed version of `bullmq`
    has none of that name and number.
    """
    text = (_commands() / f"{name}.lua").read_text("utf-8")
    return redis.register_script("".join(map(_own, _BEGINNINGS.get(name, ()))) + text)


@cache
def _commands() -> Path:
    """The folder of the scripts, without an import of the package: see engine/queues.py."""
    spec = find_spec("bullmq")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'bullmq'")
    return Path(spec.origin).parent / "commands"


def _own(file: str) -> str:
    return resources.files("bullmq_consumer.protocol").joinpath(file).read_text("utf-8")
