"""The project's pages of Markdown, taken apart: blocks of code, prose, links, headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_COMMENT = re.compile(r"(?:^|\s)(?:#|//) .*$")


@dataclass(frozen=True)
class Block:
    """Fenced code. `line` counts from 1."""

    language: str
    text: str
    line: int

    @property
    def commands(self) -> list[str]:
        """The command lines of a shell block, or those after `$` of a console block."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.language == "console":
            return [line[2:] for line in lines if line.startswith("$ ")]
        return [line for line in lines if line.strip()] if self.language == "sh" else []

    @property
    def without_comments(self) -> list[str]:
        """What is the same in every language."""
        lines = [_COMMENT.sub("", line).rstrip() for line in self.text.splitlines()]
        return [line for line in lines if line]


@dataclass(frozen=True)
class Page:
    """One page."""

    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @cached_property
    def prose(self) -> str:
        """The page without its blocks."""
        return _FENCE.sub("", self.text)

    @cached_property
    def blocks(self) -> list[Block]:
        return [
            Block(found[1], found[2], self.text.count("\n", 0, found.start()) + 2)
            for found in _FENCE.finditer(self.text)
        ]

    @cached_property
    def code_spans(self) -> list[str]:
        return _CODE.findall(self.prose)

    @cached_property
    def parts(self) -> dict[str, str]:
        """What stands below each heading, by its title."""
        _, *pieces = _HEADING.split(self.prose)
        return dict(zip(pieces[1::3], pieces[2::3], strict=True))

    @cached_property
    def code(self) -> str:
        """All that is set as code, in blocks and in lines."""
        return "\n".join([*self.code_spans, *(block.text for block in self.blocks)])

    @cached_property
    def commands(self) -> list[str]:
        """Command lines in blocks."""
        return [line for block in self.blocks for line in block.commands]

    @cached_property
    def links(self) -> list[str]:
        """Targets of links and pictures, but for those on the web."""
        targets = _LINK.findall(_CODE.sub("", self.prose))
        return [one for one in targets if not re.match(r"[a-z]+:", one)]

    @cached_property
    def levels(self) -> list[int]:
        """The level of each heading."""
        return [len(marks) for marks, _ in _HEADING.findall(self.prose)]

    @cached_property
    def anchors(self) -> set[str]:
        """What `#…` may name, as GitHub makes it of headings."""
        return {_slug(title) for _, title in _HEADING.findall(self.prose)}

    def rows(self) -> Iterator[list[str]]:
        """The cells of each row of each table, without the head's rule."""
        for line in self.prose.splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            if line.startswith("|") and not set(line) <= set("|-: "):
                yield [cell.strip("| ") for cell in cells]


def pages() -> list[Page]:
    """All but the changelog, which names what was."""
    beside = sorted(path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md")
    own = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
    return [*map(Page, beside), *consumer_pages(), *map(Page, sorted(own))]


def consumer_pages() -> list[Page]:
    """Those of the package bullmq_consumer."""
    folder = ROOT / "bullmq_consumer"
    return [Page(path) for path in [folder / "README.md", *sorted((folder / "docs").glob("*.md"))]]


def page(name: str) -> Page:
    """A page below docs/, such as `zh/setup`."""
    return Page(ROOT / "docs" / f"{name}.md")


def decisions() -> list[Page]:
    """One page a decision, in their order."""
    return [Page(path) for path in sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))]


def pairs() -> list[tuple[Page, Page]]:
    """Each Chinese page with the English one that it stands for."""
    chinese = sorted((ROOT / "docs" / "zh").glob("*.md"))
    return [(_english(path.name), Page(path)) for path in chinese]


def _english(name: str) -> Page:
    """CONTRIBUTING lies where hosts look for it."""
    return Page(ROOT / ("CONTRIBUTING.md" if name == "contributing.md" else f"docs/{name}"))


def _slug(title: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
