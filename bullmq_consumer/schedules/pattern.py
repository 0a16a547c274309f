"""Cron patterns as cron-parser 4.9 reads them, the parser of BullMQ 5. Pure.

Up to six fields: `[second] minute hour day-of-month month day-of-week`. Fewer are the last ones:
the seconds left out are 0, everything else that is left out is `*`.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple


class InvalidPattern(ValueError):
    """The pattern cannot be read; the message says which part of it."""


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    allowed: str
    if_left_out: str
    words: str = ""

    @property
    def is_weekday(self) -> bool:
        return self.name == "day of week"


# `words` stand for numbers: each is three letters, the first is `low`.
_FIELDS = (
    _Field("second", 0, 59, r"[,*\d/-]+", "0"),
    _Field("minute", 0, 59, r"[,*\d/-]+", "*"),
    _Field("hour", 0, 23, r"[,*\d/-]+", "*"),
    _Field("day of month", 1, 31, r"[?,*\dL/-]+", "*"),
    _Field("month", 1, 12, r"[,*\d/-]+", "*", "janfebmaraprmayjunjulaugsepoctnovdec"),
    _Field("day of week", 0, 7, r"[?,*\dL/-]+", "*", "sunmontuewedthufrisat"),
)
_PREDEFINED = {
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# All numbers of all fields, listed singly, take some 400. Parsing is on the event loop, where
# 120 KiB of `*,` took 2.5 s.
_MOST_CHARACTERS = 1000
LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Pattern:
    """When a cron pattern matches. Weekdays are 0 to 6 from Sunday on.

    `is_every_weekday` for `*` and `1-7`: as in Node, `0-6` restricts the week.
    `last_weekdays` are those of which the last one in a month counts (`5L`), `nth_weekday` which
    one of a month's (`1#2`), 0 for all of them.
    """

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_every_weekday: bool
    is_last_day: bool
    last_weekdays: frozenset[int]
    nth_weekday: int

    @property
    def is_every_hour(self) -> bool:
        """Whether no hour is named: then both of two equal ones count when clocks go back."""
        return len(self.hours) == 24


def parse(text: str) -> Pattern:
    """Read a pattern. Raises InvalidPattern."""
    if len(text) > _MOST_CHARACTERS:
        raise InvalidPattern(f"a cron pattern has at most {_MOST_CHARACTERS} characters")
    atoms = _PREDEFINED.get(text, text).split()
    left_out = len(_FIELDS) - len(atoms)
    if left_out < 0:
        raise InvalidPattern(f"a cron pattern has at most six fields, not {len(atoms)}")
    atoms = [*(field.if_left_out for field in _FIELDS[:left_out]), *atoms]
    atoms[-1], nth_weekday = _nth(atoms[-1])
    values = [_values(field, atom) for field, atom in zip(_FIELDS, atoms, strict=True)]
    seconds, minutes, hours, days, months, weekdays = (_numbers(each) for each in values)
    return Pattern(
        seconds=seconds,
        minutes=minutes,
        hours=hours,
        days=_possible(days, months),
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        is_every_weekday=len(values[-1]) == 8,
        is_last_day=any(isinstance(each, str) for each in values[3]),
        last_weekdays=frozenset(int(each[0]) % 7 for each in values[5] if isinstance(each, str)),
        nth_weekday=nth_weekday,
    )


def _possible(days: frozenset[int], months: frozenset[int]) -> frozenset[int]:
    """Without days that a single named month lacks. Raises InvalidPattern when none is left."""
    if len(months) > 1 or not days:
        return days
    longest = LONGEST_MONTHS[min(months) - 1]
    if min(days) > longest:
        raise InvalidPattern(f"the month has no day {min(days)}")
    return frozenset(day for day in days if day <= longest)


def _nth(atom: str) -> tuple[str, int]:
    """A day of week, and its occurrence in the month after a `#`; 0 for any."""
    weekday, hash_sign, nth = atom.partition("#")
    if not hash_sign:
        return atom, 0
    if re.search(r"[,/-]", weekday) or nth not in {"1", "2", "3", "4", "5"}:
        raise InvalidPattern(f"day of week {atom!r} names no occurrence of one weekday")
    return weekday, int(nth)


def _numbers(values: list[int | str]) -> frozenset[int]:
    return frozenset(value for value in values if isinstance(value, int))


def _values(field: _Field, atom: str) -> list[int | str]:
    """The numbers that a field names; entries with an `L` stay text."""
    text = re.sub(r"[a-zA-Z]{3}", lambda word: _number_of(field, word[0]), atom)
    if not re.fullmatch(field.allowed, text, re.ASCII):
        raise InvalidPattern(f"{field.name} {atom!r} has characters that it may not have")
    text = re.sub(r"[*?]", f"{field.low}-{field.high}", text)
    return [value for part in text.split(",") for value in _part(field, part)]


def _number_of(field: _Field, word: str) -> str:
    place = field.words.find(word.lower())
    if place < 0 or place % 3:
        raise InvalidPattern(f"{field.name} {word!r} is no name")
    return str(place // 3 + field.low)


def _part(field: _Field, part: str) -> list[int | str]:
    """The values of one member of a list: a number, a range, or either with a step."""
    first, slash, step = part.partition("/")
    if slash and first.isdecimal():
        first = f"{first}-{field.high}"
    if "-" in first:
        return [*_range(field, first, step if slash else "1")]
    if "L" in first and field.name.startswith("day"):
        return [_last(field, first)]
    number = _number(field, first)
    return [number % 7 if field.is_weekday else number]


def _last(field: _Field, text: str) -> str:
    if field.is_weekday and not text[0].isdecimal():
        raise InvalidPattern(f"day of week {text!r} names no weekday before its L")
    return text


def _range(field: _Field, text: str, step: str) -> list[int]:
    low, high = (_number(field, end) for end in text.split("-")[:2])
    if low > high:
        raise InvalidPattern(f"{field.name} {text!r} ends before it begins")
    if not step.isdecimal() or len(step) > 9 or int(step) == 0:
        raise InvalidPattern(f"{field.name} cannot be repeated every {step!r}")
    found = [*range(low, high + 1, int(step))]
    # Sunday is 0 and 7, and counts from whichever a range ends with.
    sunday = [0] if field.is_weekday and high % 7 == 0 and 0 not in found else []
    return [*sunday, *found]


def _number(field: _Field, text: str) -> int:
    # Of more digits than any number here needs, Python may make a range that fills the memory.
    if not text.isdecimal() or len(text) > 9 or not field.low <= int(text) <= field.high:
        raise InvalidPattern(f"{field.name} {text!r} is no number from {field.low} to {field.high}")
    return int(text)
