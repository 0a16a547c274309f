"""How long people wait for pictures and films: when a job is given up. Pure.

The app asks every 2 s and stops after 15 minutes. A job is given up before that, so that the person
sees a failure and can ask again: once it is 12 minutes old *and* nothing came for 3 minutes.
"""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from core.errors import PermanentError
from core.people import Cause

PATIENCE = timedelta(minutes=12)
"""Three minutes before the app stops asking: an answer is seen, and a late look costs nothing."""
STANDSTILL = timedelta(minutes=3)
"""A picture takes 15 s, a slow one two minutes."""
CLOCKS_DIFFER = timedelta(seconds=5)
"""The app inserts rows right before it adds their job; the database's clock and its own differ.

Where they differ by more, only another job tells: see handlers/_storyboard/rows.py.
"""

PROGRESSED_AT = "progressed_at"
"""The checkpoint's field with the time of the latest progress, in seconds since the epoch."""
GIVEN_UP = "given_up"
"""The checkpoint's field that says that the job was given up."""


class WaitedTooLong(PermanentError):
    """The job is given up: who waited for it has been told that it failed."""

    cause = Cause.TOO_LONG

    def __init__(self) -> None:
        super().__init__("It is 12 minutes old and nothing came for 3: nobody waits any longer")

    def __reduce__(self) -> tuple[type["WaitedTooLong"], tuple[()], dict[str, Any]]:
        return type(self), (), self.__dict__


@dataclass(slots=True)
class Deadline:
    """Of one job. All times are in seconds since the epoch; `now` is a parameter for tests.

    `asked_at` is when the job was added, `progressed_at` when something of it came last. A job that
    `is_given_up` stays so: what comes afterwards is kept, and nothing more is bought.
    """

    asked_at: float
    progressed_at: float = 0.0
    is_given_up: bool = False
    now: Callable[[], float] = field(default=time.time, compare=False)

    @property
    def at(self) -> float:
        """When the job is given up, unless something comes before."""
        patient_until = self.asked_at + PATIENCE.total_seconds()
        return max(patient_until, self.progressed_at + STANDSTILL.total_seconds())

    @property
    def left_s(self) -> float:
        """Seconds until then; 0.0 or less afterwards."""
        return 0.0 if self.is_given_up else self.at - self.now()

    @property
    def is_over(self) -> bool:
        """Whether the job is given up, or is to be."""
        return self.left_s <= 0

    def give_up_if_over(self) -> bool:
        """Give the job up if it is over, for good; returns whether it is."""
        self.is_given_up = self.is_over
        return self.is_given_up

    def progressed(self) -> None:
        """Note that something came just now."""
        self.progressed_at = self.now()

    def check(self) -> None:
        """Raises WaitedTooLong once it is over, and gives the job up."""
        if self.give_up_if_over():
            raise WaitedTooLong


def is_of_newer_request(
    created_at: datetime | None, added_at: float | None, by: timedelta = CLOCKS_DIFFER
) -> bool:
    """Whether a row came more than `by` after the job that was added at `added_at`, epoch seconds.

    Then a newer request inserted it. False when one of the times is not known.
    """
    if created_at is None or added_at is None:
        return False
    return created_at.timestamp() > added_at + by.total_seconds()


def last_progress(checkpoint: Mapping[str, Any]) -> float:
    """When something of the job came last, by its checkpoint; 0.0 when nothing has."""
    bought = _mapping(checkpoint.get("bought"))
    times = [checkpoint.get(PROGRESSED_AT), *(_mapping(one).get("at") for one in bought.values())]
    return max((float(at) for at in times if isinstance(at, int | float)), default=0.0)


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def observed(deadline: Deadline) -> Generator[None]:
    """Calls of providers in the block do not wait, between their tries, beyond the deadline."""
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


def may_wait(seconds: float) -> bool:
    """Whether the job that calls may wait so long; always, without a deadline."""
    deadline = _current.get()
    return deadline is None or seconds < deadline.left_s
