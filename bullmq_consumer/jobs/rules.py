"""How the jobs of one name are run."""

import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias, cast

from bullmq_consumer.errors import check_duration
from bullmq_consumer.jobs.job import JobFields
from bullmq_consumer.outcome import MAX_SNOOZES

FAILURE_PAUSE = timedelta(minutes=10)
"""The longest pause between two tries of a failure hook, unless a job has its own."""

# All tries of a day are listed, and each is a command to Redis.
_SHORTEST_PAUSE = timedelta(seconds=1)

PublicReason: TypeAlias = Callable[[JobFields[Any, Any], Exception], str]
"""What people read of a failed job, by its error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How one job name is run. `hide_retries`: no `failedReason` while an attempt is left.

    `public_reason`: what that says at the end, by the job and its error. `exclude_none`: fields
    that are None are left out of its result. `failure_pause`: the longest pause between two tries
    of a failure hook.
    """

    timeout: timedelta | None = None
    isolate: bool = False
    release_id: bool = False
    hide_retries: bool = False
    public_reason: PublicReason | None = None
    fails_on: Sequence[type[Exception]] = ()
    max_requeues: int = MAX_SNOOZES
    exclude_none: bool = False
    failure_pause: timedelta = FAILURE_PAUSE

    def __post_init__(self) -> None:
        """Raise TypeError for the wrong kind of a rule, ValueError for a number out of range."""
        check_duration(self.failure_pause, "failure_pause")
        if self.failure_pause < _SHORTEST_PAUSE:
            raise ValueError(f"failure_pause is at least 1 second, not {self.failure_pause}")
        if self.timeout is not None:
            check_duration(self.timeout, "timeout")
            if self.timeout <= timedelta(0):
                raise ValueError(f"timeout is longer than nothing, not {self.timeout}")
        if self.max_requeues < 0:
            raise ValueError(f"max_requeues is 0 or more, not {self.max_requeues}")
        _check_errors(self.fails_on)
        if inspect.iscoroutinefunction(self.public_reason):
            raise TypeError("public_reason is a `def` that returns a text, not an `async def`")


def _check_errors(fails_on: Any) -> None:
    """Raise TypeError for what `isinstance` would refuse once an attempt has failed."""
    if not isinstance(fails_on, Collection) or not all(map(_is_error, cast("Any", fails_on))):
        named = fails_on.__name__ if isinstance(fails_on, type) else repr(cast("Any", fails_on))
        raise TypeError(
            f"fails_on is a tuple of exception types, such as (ValueError,), not {named}"
        )


def _is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exception)
