"""One row of the table: this worker, Node's beside it, and what was to be reached."""

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

Unit = Literal["s", "ms", "MiB", "KiB", "jobs/s", "µs", "×", "number", "connections", "trips"]

_DECIMALS: dict[Unit, int] = {"s": 2, "ms": 1, "number": 2, "×": 2}
_RATIO_DECIMALS = 2

T = TypeVar("T")


@dataclass(frozen=True)
class Goal:
    """A bound for this worker's own figure or, with `of_node`, for its ratio to Node's."""

    bound: float
    at_least: bool = False
    of_node: bool = False

    def reached(self, value: float, decimals: int) -> bool:
        """As the table shows the value: to so many decimals."""
        shown = round(value, decimals)
        return shown >= self.bound if self.at_least else shown <= self.bound


def at_most(bound: float) -> Goal:
    return Goal(bound)


def at_least(bound: float) -> Goal:
    return Goal(bound, at_least=True)


def at_most_of_node(ratio: float) -> Goal:
    return Goal(ratio, of_node=True)


@dataclass(frozen=True)
class Figure:
    """The samples of both workers, one a round, in the same unit. Of several goals all count.

    `over` says what the figure stands on, where that is not a number of rounds.
    """

    what: str
    unit: Unit
    python: Sequence[float]
    node: Sequence[float] = ()
    goal: Goal | Sequence[Goal] | None = None
    over: str = ""

    @property
    def ratio(self) -> float | None:
        """This worker's median by Node's; None without a figure of Node's, or one of 0."""
        theirs = statistics.median(self.node) if self.node else 0
        return statistics.median(self.python) / theirs if theirs else None

    def cells(self) -> list[str]:
        """As the cells of `HEAD`."""
        return [
            self.what,
            _samples(self.python, self.unit),
            _samples(self.node, self.unit),
            "" if self.ratio is None else f"{self.ratio:.{_RATIO_DECIMALS}f}",
            self._wanted(),
            self._verdict(),
            self.over or counted(len(self.python), "round"),
        ]

    @property
    def _goals(self) -> Sequence[Goal]:
        if self.goal is None:
            return ()
        return (self.goal,) if isinstance(self.goal, Goal) else self.goal

    def _wanted(self) -> str:
        return ", ".join(self._told(goal) for goal in self._goals)

    def _told(self, goal: Goal) -> str:
        sign = "≥" if goal.at_least else "≤"
        if goal.of_node:
            return f"{sign} {goal.bound:.2f} of Node's"
        return f"{sign} {_number(goal.bound, self.unit)}"

    def _verdict(self) -> str:
        """Of all goals together."""
        verdicts = {self._judged(goal) for goal in self._goals}
        return next((one for one in ("**short**", "not measured") if one in verdicts), "") or (
            "reached" if verdicts else ""
        )

    def _judged(self, goal: Goal) -> str:
        value = self.ratio if goal.of_node else statistics.median(self.python)
        if value is None:
            return "not measured"
        decimals = _RATIO_DECIMALS if goal.of_node else _DECIMALS.get(self.unit, 0)
        return "reached" if goal.reached(value, decimals) else "**short**"


HEAD = ["figure", "this worker", "Node's", "ratio", "goal", "", "over"]


async def in_turn(rounds: int, *measured: Callable[[], Awaitable[T]]) -> list[list[T]]:
    """The samples of each: all of them once, then again, so that a slow moment hits all."""
    samples: list[list[T]] = [[] for _ in measured]
    for _ in range(rounds):
        for taken, measure in zip(samples, measured, strict=True):
            taken.append(await measure())
    return samples


def _samples(samples: Sequence[float], unit: Unit) -> str:
    """The median, and between which values it lies."""
    if not samples:
        return "–"
    median = _number(statistics.median(samples), unit)
    low, high = (_bare(bound, unit) for bound in (min(samples), max(samples)))
    return median if low == high else f"{median} ({low}–{high})"


def _number(value: float, unit: Unit) -> str:
    return _bare(value, unit) if unit == "number" else f"{_bare(value, unit)} {unit}"


def _bare(value: float, unit: Unit) -> str:
    return f"{value:,.{_DECIMALS.get(unit, 0)}f}"


def counted(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"
