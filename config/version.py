"""The version of this worker, which stands in pyproject.toml alone: images hold that file, too."""

import tomllib
from pathlib import Path

_PROJECT = Path(__file__).parent.parent / "pyproject.toml"

VERSION: str = tomllib.loads(_PROJECT.read_text("utf-8"))["project"]["version"]
