"""Reads what a deletion of shots in the app may be changing, until it stands still."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol, TypeVar

from core.errors import RequeueLater

# Longer than one UPDATE of the app takes, so that a deletion does not look finished.
_PAUSE_S = 2
# A deletion has ended by then, even of the first of a hundred shots.
_READINGS = 10
_LATER = timedelta(seconds=15)


class Numbered(Protocol):
    """Rows of two tables, which the app renumbers one after the other."""

    @property
    def is_settled(self) -> bool:
        """Whether both tables have the same numbers: they are renumbered equally far."""
        ...

    @property
    def numbering(self) -> object:
        """What a deletion changes; other jobs change other columns all the time."""
        ...


Reading = TypeVar("Reading", bound=Numbered)


async def settled(read: Callable[[], Awaitable[Reading]], first: Reading | None = None) -> Reading:
    """A reading whose numbers agree, or that is the same as the one before.

    `first` was read already. Raises RequeueLater while shots are being deleted.
    """
    found = await read() if first is None else first
    for _ in range(_READINGS):
        if found.is_settled:
            return found
        await asyncio.sleep(_PAUSE_S)
        before, found = found, await read()
        if found.numbering == before.numbering:
            return found
    raise RequeueLater(_LATER, "Shots of the project are being deleted")
