"""The differences that are known, from differences.toml: each with its reason."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from tests.interop.compare import Difference

_FILE = Path(__file__).with_name("differences.toml")
_ANY = ("*",)
PROGRAMS = "program-*"


@dataclass(frozen=True, slots=True)
class Known:
    """One entry. `kind` is `gap` for what is to be closed, `on purpose` for what stays.

    `scenarios`, `paths` and `versions` are shell patterns, one of each has to fit. `node` and
    `ours` are regular expressions, to be found in the values.
    """

    name: str
    kind: Literal["gap", "on purpose"]
    reason: str
    paths: tuple[str, ...]
    scenarios: tuple[str, ...] = _ANY
    versions: tuple[str, ...] = _ANY
    node: str = ""
    ours: str = ""

    def covers(self, version: str, scenario: str, one: Difference) -> bool:
        """Whether it speaks of this difference."""
        asked = (
            (version, self.versions),
            (scenario, self.scenarios),
            (one.path, self.paths),
        )
        fits = all(any(fnmatchcase(text, one) for one in patterns) for text, patterns in asked)
        return fits and bool(re.search(self.node, one.node) and re.search(self.ours, one.ours))


@dataclass
class KnownList:
    """All entries, and which of them something was found for."""

    entries: list[Known]
    used: set[str] = field(default_factory=set[str])

    def name_of(self, version: str, scenario: str, one: Difference) -> str | None:
        """Of the first entry that speaks of it; None when nobody knew."""
        for entry in self.entries:
            if entry.covers(version, scenario, one):
                self.used.add(entry.name)
                return entry.name
        return None

    def without_a_scenario(self, names: Sequence[str]) -> list[str]:
        """Entries whose patterns fit no scenario, as after a change of its name."""
        return [
            f"{entry.name}: {pattern}"
            for entry in self.entries
            for pattern in entry.scenarios
            if pattern != PROGRAMS and not any(fnmatchcase(name, pattern) for name in names)
        ]

    def unused(self) -> list[str]:
        """Entries that nothing was found for: what they tell of is no more."""
        return [entry.name for entry in self.entries if entry.name not in self.used]


def known_list() -> KnownList:
    """As the file has it. Raises ValueError for a name that is there twice."""
    tables = tomllib.loads(_FILE.read_text("utf-8")).get("difference", [])
    entries = [Known(**{name: _tuple(value) for name, value in one.items()}) for one in tables]
    if len({one.name for one in entries}) < len(entries):
        raise ValueError(f"{_FILE.name} has a name twice")
    return KnownList(entries)


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
