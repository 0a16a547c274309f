"""The types of the public face, by both type checkers, as its users run them."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.pages import ROOT

_HERE = Path(__file__).parent
_RIGHT, _WRONG = _HERE / "right.py", _HERE / "wrong.py"
# The package's own modules are the project's to check, not its users'.
_CHECKERS = {
    "pyright": ["-p", str(_HERE)],
    "mypy": ["--strict", "--follow-imports=silent", "--no-pretty", "--python-version=3.11"],
}
_ERROR = re.compile(r"(\w+\.py):(\d+)(?::\d+)?(?: -|:) error: ")


@pytest.mark.slow
@pytest.mark.parametrize("checker", _CHECKERS)
def test_right_uses_pass_and_each_wrong_one_is_an_error(checker: str, tmp_path: Path) -> None:
    arguments = list(_CHECKERS[checker])
    if checker == "mypy":
        arguments += ["--cache-dir", str(tmp_path), str(_RIGHT), str(_WRONG)]
    output = _output([sys.executable, "-m", checker, *arguments])
    found = {(name, int(line)) for name, line in _ERROR.findall(output)}
    assert found == {(_WRONG.name, line) for line in _marked(_WRONG)}, output


def _marked(file: Path) -> list[int]:
    lines = file.read_text("utf-8").splitlines()
    return [number for number, line in enumerate(lines, 1) if "  # error: " in line]


def _output(command: Sequence[str]) -> str:
    """Of a checker that found errors, as it should."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout
