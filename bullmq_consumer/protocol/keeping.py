"""How many finished jobs stay, by BullMQ's `removeOnComplete` and `removeOnFail`. Pure."""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """The finished jobs that stay: the newest `count`, and none that is older than `age`.

    None sets no bound. `limit` is how many each end of a job removes for their age at most. `age`
    counts in whole seconds, of which a part is one more.
    """

    count: int | None = None
    age: timedelta | None = None
    limit: int | None = None


Keeping = bool | int | Keep
"""True removes all finished jobs, False none; a number is how many stay."""


def keep_jobs(told: Any) -> dict[str, int]:
    """BullMQ's `keepJobs`, of a `Keeping` or of what a job's own option says; all stay for None."""
    match told:
        case Keep():
            age = None if told.age is None else math.ceil(told.age.total_seconds())
            rules = {"count": told.count, "age": age, "limit": told.limit}
            return {name: value for name, value in rules.items() if value is not None}
        case dict():
            return cast("dict[str, int]", told)
        case bool() | None:
            return {"count": 0 if told else -1}
        case _:
            return {"count": told}
