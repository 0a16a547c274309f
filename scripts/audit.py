"""Known vulnerabilities of what the locks name: python scripts/audit.py LOCK…

pip-audit answers "none are known" of what its service knows nothing about, too, and ends with a
traceback where it cannot reach it. Here the one is said, and the other: with code 0, since a check
must be possible without that service, but never as "clean". Code 1 when there are vulnerabilities,
or when a lock cannot be read.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

_CACHE = Path(__file__).parent.parent / ".cache/pip-audit"
_TIMEOUT_S = "10"
# How pip-audit, or what it stands on, says that its service was not reached.
_UNREACHABLE = re.compile(r"connect|timed out|unreachable|resolv|retries|HTTPError|5\d\d", re.I)


class Vulnerability(TypedDict):
    """As pip-audit writes it."""

    id: str
    fix_versions: list[str]


class Package(TypedDict):
    """As pip-audit writes it: with `version` and `vulns`, or with a `skip_reason`."""

    name: str
    version: NotRequired[str]
    vulns: NotRequired[list[Vulnerability]]
    skip_reason: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line for people; `found` are the vulnerabilities, each in a line; `is_bad`: fail."""

    line: str
    found: tuple[str, ...] = ()
    is_bad: bool = False


def main(arguments: Sequence[str]) -> int:
    """Look at each lock; options of pip-audit's own may stand in front."""
    locks = [one for one in arguments if one.endswith(".txt")]
    if not locks:
        print(__doc__)  # noqa: T201
        return 1
    options = [one for one in arguments if one not in locks]
    bad = False
    for lock in locks:
        verdict = look(lock, options)
        bad = bad or verdict.is_bad
        print(verdict.line, *verdict.found, sep="\n  ")  # noqa: T201 (it is a program)
    return 1 if bad else 0


def look(lock: str, options: Sequence[str] = ()) -> Verdict:
    """Ask pip-audit about the packages of a lock that this machine would install."""
    command = [
        *(sys.executable, "-m", "pip_audit", "--requirement", lock, "--format", "json"),
        *("--require-hashes", "--disable-pip", "--progress-spinner", "off"),
        *("--cache-dir", str(_CACHE), "--timeout", _TIMEOUT_S, *options),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        document = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:200]
        if not _UNREACHABLE.search(last):
            return Verdict(f"✗ {lock}: it cannot be audited: {last}", is_bad=True)
        return Verdict(f"! {lock}: NOT AUDITED, no service of vulnerabilities answers: {last}")
    return judge(lock, document["dependencies"])


def judge(lock: str, packages: Sequence[Package]) -> Verdict:
    """What pip-audit's list means."""
    unknown = [one["name"] for one in packages if "skip_reason" in one]
    looked_at = len(packages) - len(unknown)
    found = tuple(_found(packages))
    if found:
        line = f"✗ {lock}: {len(found)} known, in {looked_at} packages"
        return Verdict(line, found, is_bad=True)
    if not looked_at:
        return Verdict(
            f"! {lock}: NOT AUDITED, the service of vulnerabilities knows none of its "
            f"{len(packages)} packages; ask one that does, such as PyPI itself"
        )
    if unknown:
        names = ", ".join(unknown)
        return Verdict(f"! {lock}: {looked_at} packages are clean, NOT AUDITED are {names}")
    return Verdict(f"✓ {lock}: no known vulnerability in {looked_at} packages")


def _found(packages: Iterable[Package]) -> Iterable[str]:
    for one in packages:
        for each in one.get("vulns", ()):
            fixed = ", ".join(each["fix_versions"]) or "no version yet"
            yield f"{one['name']} {one.get('version')}: {each['id']}, fixed in {fixed}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
