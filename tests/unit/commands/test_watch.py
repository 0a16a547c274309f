"""What run --watch looks at."""

import tomllib

from commands.watch import _PACKAGES
from sandbox.worker_process import ROOT


def test_every_package_of_the_worker_is_watched() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["importlinter"]["root_packages"]
    assert {*_PACKAGES} == {*packages} - {"sandbox"}
