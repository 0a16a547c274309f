"""What people read of it."""

import time
from collections import Counter
from collections.abc import Sequence

from tests.interop.compare import Difference
from tests.interop.known import KnownList
from tests.interop.steps import Steps
from tests.interop.verdict import Verdict

_MOST_SHOWN = 300


class Report:
    """Prints as it comes. `failed` once anything was found that has no name."""

    def __init__(self, *, details: bool = False) -> None:
        self.failed = False
        self._details = details
        self._began = time.monotonic()
        self._named: Counter[str] = Counter()

    def verdicts(self, kind: str, version: str, verdicts: Sequence[Verdict]) -> None:
        """What differs, below the name of its scenario or program; then how many of this `kind`."""
        for one in verdicts:
            self._verdict(one)
        slowest = sorted(verdicts, key=lambda one: one.seconds, reverse=True)[:20]
        if self._details:
            _print(", ".join(f"{one.scenario.name} {one.seconds:.1f} s" for one in slowest))
        unnamed = sum(bool(one.unnamed) for one in verdicts)
        named = sum(bool(one.named and not one.unnamed) for one in verdicts)
        alike = len(verdicts) - unnamed - named
        seconds = time.monotonic() - self._began
        _print(
            f"BullMQ {version}: {len(verdicts)} {kind}, {alike} alike, {named} with named "
            f"differences alone, {unnamed} with others ({seconds:.0f} s)"
        )

    def program(self, one: Verdict, steps: Steps) -> None:
        """A program that differs, without the steps that do not matter."""
        _print(f"{one.scenario.name} ({one.version}), shortened:")
        for step in steps:
            _print(f"    {step}")

    def unused(self, names: Sequence[str]) -> None:
        """Entries that nothing was found for."""
        for name in names:
            self.failed = True
            _print(f"✗ nothing differs any more as “{name}” says: take it out of differences.toml")

    def summary(self, known: KnownList) -> None:
        """Each entry that something was found for, and in how many scenarios."""
        for entry in known.entries:
            if count := self._named[entry.name]:
                _print(f"  {entry.kind:10} {entry.name}: {count} scenarios. {entry.reason}")

    def _verdict(self, one: Verdict) -> None:
        self._named.update([*one.named])
        self.failed |= bool(one.unnamed)
        if one.unnamed:
            _print(f"✗ {one.scenario.name} ({one.version})")
        elif self._details and one.named:
            _print(f"≈ {one.scenario.name} ({one.version})")
        for difference in one.unnamed:
            _print(f"    {_shortened(difference)}")
        if self._details:
            for name, found in one.named.items():
                for difference in found:
                    _print(f"    [{name}] {_shortened(difference)}")


def _shortened(one: Difference) -> str:
    left, right = (text[:_MOST_SHOWN].replace("\n", "⏎") for text in (one.node, one.ours))
    return f"{one.path}\n        Node  {left}\n        ours  {right}"


def _print(text: str) -> None:
    print(text.encode("utf-8", "backslashreplace").decode(), flush=True)  # noqa: T201
