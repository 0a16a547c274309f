"""Isolated handlers that are bound to other names than their functions', and one that is not."""

import os
from collections.abc import Callable
from typing import Any

from bullmq_consumer import Jobs, SyncJob

jobs: Jobs = Jobs()
lost: Jobs = Jobs()


def twice(function: Callable[..., int]) -> Callable[..., int]:
    """A decorator around one."""
    return lambda job: function(job)


def plain(job: SyncJob) -> int:
    """Registered below, by another name."""
    return os.getpid()


class Group:
    """A name inside of a name."""

    @staticmethod
    @jobs.job("in a class", isolate=True)
    def inside(job: SyncJob) -> int:
        """Its place is `Group.inside`."""
        return os.getpid()


other_name = jobs.job("renamed", isolate=True)(plain)
in_a_class: Any = Group.inside


@twice
@lost.job("lost", isolate=True)
def hidden(job: SyncJob) -> int:
    """What the module holds is the outer decorator's."""
    return os.getpid()
