"""The last line of check."""

import pytest

from commands.check import _verdict
from commands.checks.finding import failed, ok, warning


@pytest.mark.parametrize(
    ("failures", "warnings", "said"),
    [
        (0, 0, "✓ Ready: python worker.py"),
        (0, 1, "✓ Ready: python worker.py (1 warning)"),
        (1, 0, "✗ 1 error"),
        (1, 2, "✗ 1 error, 2 warnings"),
        (2, 1, "✗ 2 errors, 1 warning"),
    ],
)
def test_errors_and_warnings_are_counted(failures: int, warnings: int, said: str) -> None:
    found = [ok("Redis", "PONG")] + [failed("Redis", "no")] * failures
    assert _verdict(found + [warning("Redis", "slow", "wait")] * warnings) == said
