"""What the consumer's pages show runs: programs stand in examples/, fragments are typed."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bullmq_consumer import ExitCode
from bullmq_consumer.jobs.rules import Rules
from bullmq_consumer.process.check import TESTED
from bullmq_consumer.process.command_line import main
from bullmq_consumer.worker import Worker
from scripts.reference import PAGE, page
from tests.support.pages import ROOT, Page, consumer_pages

PAGES = [one for one in consumer_pages() if one.path != PAGE]
EXAMPLES = ROOT / "examples"
# What a page may show though it is not installed here.
_MISSING = ("from fastapi import",)
# Its types are wrong about a worker's processor.
_OF_THE_PORT = re.compile("from bullmq import .*Worker")
# A page may have two programs, with functions of the same names.
_PYRIGHT = {
    "typeCheckingMode": "standard",
    "pythonVersion": "3.11",
    "extraPaths": [str(ROOT), str(EXAMPLES)],
    "stubPath": "none",
    "reportRedeclaration": False,
    "reportMissingImports": "none",
    "reportMissingModuleSource": "none",
}


@pytest.mark.parametrize(
    ("name", "language", "example"),
    [
        ("README", "python", "hello.py"),
        ("README", "js", "producer.mjs"),
        ("docs/threads-and-processes", "python", "texts.py"),
        ("docs/testing", "python", "test_hello.py"),
    ],
)
def test_programs_of_the_pages_are_the_examples(name: str, language: str, example: str) -> None:
    shown = Page(ROOT / f"bullmq_consumer/{name}.md").blocks
    text = (EXAMPLES / example).read_text("utf-8")
    assert text in [block.text for block in shown if block.language == language]


def test_each_example_is_on_a_page_or_in_the_list() -> None:
    listed = Page(EXAMPLES / "README.md").code
    files = [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.mjs")]
    assert [file.name for file in files if file.name not in listed] == []


@pytest.mark.parametrize("one", PAGES, ids=str)
async def test_python_of_the_pages_loads(one: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """From top to bottom, as one program; handlers are refused for types that fit no job.

    Tests that stand in the page pass, but for those that want a Redis.
    """
    monkeypatch.syspath_prepend(EXAMPLES)
    names: dict[str, Any] = {"__name__": "page"}
    tests: list[str] = []
    for block in one.blocks:
        if block.language == "python" and not any(text in block.text for text in _MISSING):
            exec(compile(block.text, f"{one}:{block.line}", "exec"), names)
            found = re.findall(r"^async def (test_\w+)", block.text, re.MULTILINE)
            tests += [] if "redis://" in block.text else found
    for test in tests:
        await names[test]()


@pytest.mark.slow
def test_python_of_the_pages_is_typed(tmp_path: Path) -> None:
    for one in PAGES:
        blocks = [block.text for block in one.blocks if block.language == "python"]
        text = "\n".join(text for text in blocks if not _OF_THE_PORT.search(text))
        (tmp_path / f"page_{one.path.stem.replace('-', '_')}.py").write_text(text, "utf-8")
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(_PYRIGHT), "utf-8")
    command = (sys.executable, "-m", "pyright", "-p", str(tmp_path), "--pythonpath", sys.executable)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_reference_is_that_of_the_code() -> None:
    """Otherwise: `python -m scripts.reference`."""
    assert PAGE.read_text("utf-8") == page()


@pytest.mark.parametrize("one", PAGES, ids=str)
def test_command_lines_of_the_consumer_are_understood(
    one: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    start = "python -m bullmq_consumer "
    for line in re.findall(rf"{start}[^`\n…]+", one.code):
        with pytest.raises(SystemExit):  # nothing is run: the help is asked for, too
            main([*shlex.split(line.removeprefix(start), comments=True), "--help"])
    assert capsys.readouterr().err == ""


# -- tables -----------------------------------------------------------------------------------


def _table(name: str) -> set[str]:
    rows = Page(ROOT / f"bullmq_consumer/{name}.md").rows()
    return {word for cells in rows for word in re.findall(r"`(\w+)(?:=[^`]*)?`", cells[0])}


def test_the_page_names_all_options_of_the_worker_and_its_handlers() -> None:
    known = set(Worker.__init__.__kwdefaults__)
    assert known - _table("README") == set()
    assert {field.name for field in fields(Rules)} - _table("README") == set()


def test_the_pages_tell_the_tested_versions_and_the_exit_codes() -> None:
    lowest, highest = (".".join(map(str, one)) for one in TESTED)
    assert f"BullMQ {lowest} to {highest}" in Page(ROOT / "bullmq_consumer/README.md").prose
    assert f"BullMQ {lowest} to {highest}" in Page(ROOT / "bullmq_consumer/docs/options.md").prose
    rows = Page(ROOT / "bullmq_consumer/docs/deploys.md").rows()
    assert {int(cells[0]) for cells in rows if cells[0].isdigit()} == {*ExitCode, 2}


def test_all_options_of_nodes_worker_are_told_of() -> None:
    """Of each version of BullMQ that is installed for the tests."""
    found = (ROOT / ".cache/node/node_modules").glob(
        "bullmq*/dist/esm/interfaces/worker-options.d.ts"
    )
    folders = [file.parent for file in found]
    if not folders:
        pytest.skip("Node's BullMQ is installed by the tests that need it")
    texts = [text for folder in folders for text in _interfaces(folder)]
    options = {name for text in texts for name in re.findall(r"^    (\w+)\??:", text, re.MULTILINE)}
    told = {name.partition(".")[0] for name in _spans("docs/options")}
    assert options - {"block"} - told == set()  # `block` is of another interface there


def _interfaces(folder: Path) -> Iterator[str]:
    """Of a worker's options, and of those that they inherit."""
    for name in ("worker-options", "sandboxed-options"):
        yield (folder / f"{name}.d.ts").read_text("utf-8")
    text = (folder / "queue-options.d.ts").read_text("utf-8")
    yield text.partition("interface QueueBaseOptions {")[2].partition("\n}")[0]


def _spans(name: str) -> list[str]:
    rows = Page(ROOT / f"bullmq_consumer/{name}.md").rows()
    return [word for cells in rows for word in re.findall(r"`([\w.]+)`", cells[0])]
