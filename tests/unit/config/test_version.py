"""The version that the worker tells is the one of its package."""

import tomllib
from pathlib import Path

from config.version import VERSION


def test_it_is_pyprojects() -> None:
    project = Path(__file__).parents[3] / "pyproject.toml"
    assert tomllib.loads(project.read_text("utf-8"))["project"]["version"] == VERSION
