"""The pages hold together: links, files, commands, and both languages."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.command_line import refusal
from tests.support.pages import ROOT, Page, decisions, pages, pairs

PAGES = pages()
each_page = pytest.mark.parametrize("one", PAGES, ids=str)
each_decision = pytest.mark.parametrize("one", decisions(), ids=str)
each_pair = pytest.mark.parametrize(("english", "chinese"), pairs(), ids=str)

_FILE = re.compile(r"[\w./*{},-]+\.(?:py|lua|mjs|js|json|ya?ml|toml|md|svg|sql|sh|service|txt)")
# Files that the reader of a page makes.
_MADE_BY_READERS = {
    "handlers/count_shots.py",
    "tests/unit/handlers/test_count_shots.py",
}
_FOLDERS = (
    *("", "docs", "docs/zh", "services", "deploy", "examples"),
    *("tests", "tests/unit", "tests/integration", "tests/integration/bullmq_consumer"),
)


@each_page
def test_links_lead_somewhere(one: Page) -> None:
    lost = [link for link in one.links if not _leads_somewhere(one, link)]
    assert lost == []


def _leads_somewhere(one: Page, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (one.path.parent / path).resolve() if path else one.path
    if not target.exists():
        return False
    return not anchor or anchor in Page(target).anchors


@each_page
def test_files_exist(one: Page) -> None:
    """With `file.py::test_name`, the test too. Shell patterns must match something."""
    missing: list[str] = []
    for span in one.code_spans:
        name, _, test = span.partition("::")
        if _FILE.fullmatch(name) and name not in _MADE_BY_READERS:
            found = [file for folder in _FOLDERS for file in (ROOT / folder).glob(name.strip("/"))]
            if not any(not test or f"def {test}(" in file.read_text("utf-8") for file in found):
                missing.append(span)
    assert missing == []


@each_page
def test_make_targets_exist(one: Page) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ((?:[A-Z]+=\S+ )*)([a-z][a-z-]+)", one.code))
    assert {target for _, target in named} <= targets


@each_page
def test_command_lines_are_understood(one: Page) -> None:
    refused = {line: why for line in one.commands if (why := refusal(line))}
    assert refused == {}
    # In a sentence a command may be named without all that it wants.
    spans = {span: refusal(span) for span in one.code_spans if "worker.py" in span}
    assert {why for why in spans.values() if why and not why.startswith("Missing")} == set()


@each_page
def test_blocks_can_be_read_by_their_language(one: Page) -> None:
    for block in one.blocks:
        where = f"{one}:{block.line}"
        if block.language == "sh":
            done = subprocess.run(["bash", "-n"], input=block.text, text=True, check=False)
            assert done.returncode == 0, where
        elif block.language == "python":
            compile(block.text, where, "exec")
        elif block.language == "json":
            json.loads(block.text)


@each_pair
def test_both_languages_have_the_same_commands_and_parts(english: Page, chinese: Page) -> None:
    assert chinese.levels == english.levels
    assert [block.language for block in chinese.blocks] == [
        block.language for block in english.blocks
    ]
    for ours, theirs in zip(chinese.blocks, english.blocks, strict=True):
        assert ours.without_comments == theirs.without_comments, f"{chinese}:{ours.line}"
    assert [len(cells) for cells in chinese.rows()] == [len(cells) for cells in english.rows()]


def test_the_readme_leads_to_every_page() -> None:
    """By its own links, or by those of the pages that it leads to."""
    reached: set[Path] = set()
    ahead = {ROOT / "README.md"}
    while ahead:
        path = ahead.pop()
        reached.add(path)
        targets = {path.parent / link.partition("#")[0] for link in Page(path).links}
        ahead |= {one.resolve() for one in targets if one.suffix == ".md"} - reached
    assert {one.path for one in PAGES} - reached == set()


def test_there_is_a_page_in_chinese_for_each_that_users_read() -> None:
    for_builders = {"architecture.md", "glossary.md", "internals.md", "parity.md"}
    english = {path.name for path in (ROOT / "docs").glob("*.md")} - for_builders
    chinese = {path.name for path in Path(ROOT / "docs/zh").glob("*.md")}
    assert chinese == english | {"contributing.md"}


@each_decision
def test_each_decision_says_what_holds_it(one: Page) -> None:
    title, *parts = one.parts
    number = int(one.path.name.partition("-")[0])
    assert title.startswith(f"{number}. ")
    assert [part for part in parts if part != "Alternatives"] == [
        "Context",
        "Decision",
        "Consequences",
        "Tests",
    ]
    assert all(one.parts[part].strip() for part in parts)
    # That each of them exists is looked at for every page.
    tests = [line for line in one.parts["Tests"].splitlines() if line]
    assert [line for line in tests if not re.fullmatch(r"- `tests/\S+\.py::test_\w+`", line)] == []


def test_the_index_has_each_decision_by_its_number_and_title() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text("utf-8")
    listed = re.findall(r"^- \[(.+)\]\((.+)\)$", index, re.MULTILINE)
    assert listed == [(next(iter(one.parts)), one.path.name) for one in decisions()]
    numbers = [int(one.path.name[:4]) for one in decisions()]
    assert numbers == list(range(1, len(numbers) + 1))
