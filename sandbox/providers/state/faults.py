"""Which fault or delay a request meets."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from sandbox.providers.models import Delay, Fault, Match


@dataclass
class _Rule:
    fault: Fault
    seen: int = 0
    used: int = 0

    def due(self) -> bool:
        """Whether the matching request that was just counted meets the fault."""
        times = self.fault.times or (1 if self.fault.nth else None)
        return self.seen >= (self.fault.nth or 1) and (times is None or self.used < times)


@dataclass
class Faults:
    """The rules in force, in the order they were added."""

    rules: list[_Rule] = field(default_factory=list[_Rule])
    delays: list[Delay] = field(default_factory=list[Delay])

    def add(self, fault: Fault) -> None:
        self.rules.append(_Rule(fault))

    def take(self, method: str, path: str, body: bytes) -> Fault | None:
        """The fault this request meets, used once by that; every rule that matches counts it."""
        matching = [rule for rule in self.rules if _matches(rule.fault.match, method, path, body)]
        for rule in matching:
            rule.seen += 1
        found = next((rule for rule in matching if rule.due()), None)
        if found is None:
            return None
        found.used += 1
        return found.fault

    def delay_of(self, path: str) -> float:
        """Seconds."""
        fitting = [delay for delay in self.delays if fnmatchcase(path, delay.path)]
        return fitting[-1].seconds if fitting else 0.0


def _matches(match: Match, method: str, path: str, body: bytes) -> bool:
    if match.method is not None and match.method.upper() != method:
        return False
    # JSON may be sent with Chinese as it is or escaped; a decoded text is looked at.
    if match.body_contains is not None and match.body_contains not in readable(body):
        return False
    return fnmatchcase(path, match.path)


def readable(body: bytes) -> str:
    """The body's text, with JSON's escapes of other scripts undone."""
    text = body.decode(errors="replace")
    if "\\u" not in text:
        return text
    try:
        return text.encode("latin-1", "backslashreplace").decode("unicode_escape")
    except UnicodeDecodeError:
        return text
