"""The rows of the table, filled by turns: what one worker did in all places, then the other."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench.distance.places import Far, Place
from bench.figure import Figure, Goal, Unit, at_most, at_most_of_node

# Faster by what the table shows of a ratio.
_FASTER = at_most_of_node(0.99)


@dataclass(frozen=True)
class Taken:
    """One sample. At a distance `bound` is a goal for it, and so is to be faster than Node's."""

    what: str
    value: float
    unit: Unit = "ms"
    bound: float | None = None


Measure = Callable[[Place, Far], Awaitable[Sequence[Taken]]]


@dataclass
class _Row:
    first: Taken
    python: list[float] = field(default_factory=list[float])
    node: list[float] = field(default_factory=list[float])


class Rows:
    """One for each place and thing that was taken there, in the order of the first samples."""

    def __init__(self, python: dict[Place, Far], node: dict[Place, Far]) -> None:
        self._workers = (python, node)
        self._rows: dict[Place, dict[str, _Row]] = {place: {} for place in python}

    async def warm_up(self, work: Callable[[Far], Awaitable[object]]) -> None:
        """Do this in all places with both workers, for nothing."""
        await asyncio.gather(*(work(far) for one in self._workers for far in one.values()))

    async def fill(self, rounds: int, measure: Measure, apart_s: float | None = None) -> None:
        """Measure so many times with each worker in all places.

        These begin so long apart, or one when the one before has ended.
        """
        for _ in range(rounds):
            for number, places in enumerate(self._workers):
                taken = await (
                    _in_turn(places, measure)
                    if apart_s is None
                    else _side_by_side(places, measure, apart_s)
                )
                for place, samples in zip(places, taken, strict=True):
                    for one in samples:
                        row = self._rows[place].setdefault(one.what, _Row(one))
                        (row.python, row.node)[number].append(one.value)

    def figures(self) -> list[Figure]:
        return [_figure(place, row) for place, rows in self._rows.items() for row in rows.values()]


async def _in_turn(places: dict[Place, Far], measure: Measure) -> list[Sequence[Taken]]:
    return [await measure(place, far) for place, far in places.items()]


async def _side_by_side(
    places: dict[Place, Far], measure: Measure, apart_s: float
) -> list[Sequence[Taken]]:
    async def begin(number: int, place: Place, far: Far) -> Sequence[Taken]:
        await asyncio.sleep(number * apart_s)
        return await measure(place, far)

    return await asyncio.gather(
        *(begin(number, place, far) for number, (place, far) in enumerate(places.items()))
    )


def _figure(place: Place, row: _Row) -> Figure:
    one = row.first
    goals: list[Goal] = []
    if place.is_far:
        goals += [] if one.bound is None else [at_most(one.bound)]
        goals += [_FASTER] if one.unit == "ms" else []
    return Figure(f"{place.name}: {one.what}", one.unit, row.python, row.node, tuple(goals))
