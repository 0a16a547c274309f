"""The package stands by itself: what it imports, and what it says that it depends on."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.pages import ROOT

PACKAGE = ROOT / "bullmq_consumer"
# Every module of the package is imported, then all that Python has by then is listed.
_IMPORT_ALL = """
import sys, pkgutil, importlib, bullmq_consumer
for found in pkgutil.walk_packages(bullmq_consumer.__path__, "bullmq_consumer."):
    importlib.import_module(found.name)
print(*sys.modules)
"""


def _imported(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return set(done.stdout.split())


def test_it_imports_nothing_of_the_project_nor_of_its_libraries() -> None:
    modules = _imported(_IMPORT_ALL)
    files = {file.relative_to(ROOT).with_suffix("") for file in PACKAGE.rglob("*.py")}
    assert {".".join(file.parts).removesuffix(".__init__") for file in files} <= modules
    folders = {file.parent.name for file in ROOT.glob("*/__init__.py")} - {PACKAGE.name}
    assert folders >= {"commands", "config", "core", "handlers", "runtime", "services", "sandbox"}
    libraries = {"dotenv", "httpx", "loguru", "starlette", "supabase", "typer"}
    assert {name.partition(".")[0] for name in modules} & (folders | libraries) == set()


def test_it_depends_on_what_it_imports_and_nothing_else() -> None:
    imported = {name for file in PACKAGE.rglob("*.py") for name in _top_names(file)}
    foreign = imported - sys.stdlib_module_names - {PACKAGE.name}
    wanted = [Requirement(line) for line in _dependencies(PACKAGE)]
    named = {name for one in wanted for name in (one.name, *one.extras)}
    assert {name.replace("-", "_") for name in named} == foreign


def test_it_wants_the_versions_that_the_project_installs() -> None:
    assert set(_dependencies(PACKAGE)) <= set(_dependencies(ROOT))


def _top_names(file: Path) -> Iterator[str]:
    for statement in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(statement, ast.Import):
            yield from (one.name.partition(".")[0] for one in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield statement.module.partition(".")[0]


def _dependencies(folder: Path) -> list[str]:
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    return project["dependencies"]
