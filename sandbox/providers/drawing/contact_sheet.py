"""A sheet of small pictures with captions: the demo's result at one glance."""

# pyright: reportUnknownMemberType=false
# Pillow names types of numpy, which is not installed.

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from sandbox.providers.drawing.fonts import Font, font_of, wrapped

_PAPER = (24, 26, 32)
_INK = (236, 236, 230)
_GAP = 24
_CAPTION = 22
_TITLE = 34
_CAPTION_LINES = 2


def contact_sheet(
    pictures: Sequence[tuple[Path, str]],
    out: Path,
    *,
    title: str = "",
    columns: int = 3,
    cell_width: int = 480,
    font: Path | None = None,
) -> Path:
    """Write the (image file, caption) pairs to `out`, a .png or .jpg; all of the first's shape."""
    cells = [(_small(file, cell_width), caption) for file, caption in pictures]
    columns = max(1, min(columns, len(cells)))
    cell_height = max((image.height for image, _ in cells), default=0)
    row_height = cell_height + int(_CAPTION * 1.4) * _CAPTION_LINES + 2 * _GAP
    top = _GAP + (int(_TITLE * 1.6) if title else 0)
    rows = math.ceil(len(cells) / columns)
    size = (columns * (cell_width + _GAP) + _GAP, top + rows * row_height)
    sheet = Image.new("RGB", size, _PAPER)
    if title:
        ImageDraw.Draw(sheet).text((_GAP, _GAP // 2), title, font=font_of(_TITLE, font), fill=_INK)
    letters = font_of(_CAPTION, font)
    for index, (image, caption) in enumerate(cells):
        x = _GAP + index % columns * (cell_width + _GAP)
        y = top + index // columns * row_height
        _place(sheet, image, caption, (x, y), (cell_width, cell_height), letters)
    sheet.save(out)
    return out


def _small(file: Path, width: int) -> Image.Image:
    with Image.open(file) as image:
        # JPEG decodes straight to about the size wanted, several times quicker.
        image.draft("RGB", (width, width))
        height = max(1, round(width * image.height / image.width))
        return image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def _place(
    sheet: Image.Image,
    image: Image.Image,
    caption: str,
    corner: tuple[int, int],
    cell: tuple[int, int],
    letters: Font,
) -> None:
    x, y = corner
    sheet.paste(image, (x, y + (cell[1] - image.height) // 2))
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(wrapped(caption, letters, cell[0], _CAPTION_LINES)):
        line_y = y + cell[1] + 8 + number * int(_CAPTION * 1.4)
        pen.text((x, line_y), line, font=letters, fill=_INK)
