"""The version, and the list of what changed with it."""

import re
from pathlib import Path

from config.version import VERSION

ROOT = Path(__file__).parents[3]


def test_the_changelog_has_a_part_for_it_below_the_unreleased() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    parts = re.findall(r"^## \[([^\]]+)\](.*)$", text, re.MULTILINE)
    assert parts[0] == ("Unreleased", "")
    assert parts[1][0] == VERSION
    assert all(re.fullmatch(r" - \d{4}-\d\d-\d\d", date) for _, date in parts[1:])
