"""One font for Latin and Chinese text, and lines that fit a width."""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_ROOT = Path(__file__).parents[3]
_FONT_FILES = _ROOT / ".cache/node/node_modules/@fontsource/noto-sans-sc/files"
# FreeType reads woff too; this subset holds Latin as well as simplified Chinese.
DEFAULT_FONT = _FONT_FILES / "noto-sans-sc-chinese-simplified-400-normal.woff"

# Chinese breaks between any two signs, though punctuation stays with the sign before it.
_WIDE = r"[\u2e80-\u9fff\uf900-\ufaff]"
_PIECE = re.compile(rf"{_WIDE}[\u3000-\u303f\uff00-\uff65]*|(?:(?!{_WIDE})\S)+\s*|\s+")


@lru_cache(maxsize=32)
def font_of(size: int, file: Path | None = None) -> Font:
    """The font at `size` pixels; Pillow's own, without Chinese, when the file is not there."""
    path = file or DEFAULT_FONT
    if path.is_file():
        return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)


def wrapped(text: str, font: Font, width: int, max_lines: int) -> list[str]:
    """At most `max_lines` lines of at most `width` pixels; an ellipsis where text is left out."""
    lines = list(_lines(" ".join(text.split()), font, width))
    if len(lines) <= max_lines:
        return lines
    last = lines[max_lines - 1]
    while last and font.getlength(f"{last}…") > width:
        last = last[:-1]
    return [*lines[: max_lines - 1], f"{last.rstrip()}…"]


def _lines(text: str, font: Font, width: int) -> Iterator[str]:
    line = ""
    for piece in _pieces(text, font, width):
        if line and font.getlength((line + piece).rstrip()) > width:
            yield line.rstrip()
            line = piece.lstrip()
        else:
            line += piece
    if line.strip():
        yield line.rstrip()


def _pieces(text: str, font: Font, width: int) -> Iterator[str]:
    for found in _PIECE.finditer(text):
        piece = found.group()
        if font.getlength(piece.rstrip()) <= width:
            yield piece
        else:
            yield from piece
