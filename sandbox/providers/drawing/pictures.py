"""Storyboard pictures, drawn: a landscape in the shot's own colours with its text.

The landscape is drawn at a quarter of the size and scaled up; the text is sharp.
Measured on two cores: 2848x1600 as JPEG in about 90 ms.
"""

# pyright: reportUnknownMemberType=false
# Pillow names types of numpy, which is not installed.

import io
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, ImageColor, ImageDraw

from sandbox.providers.drawing.fonts import font_of, wrapped

Format = Literal["JPEG", "PNG", "WEBP"]
Colour = tuple[int, ...]

_QUALITY = 80
_SCALE = 4
_INK = (250, 250, 246)


@dataclass(frozen=True, slots=True)
class Palette:
    """A sky from top to bottom, its sun, and hills from the farthest to the nearest."""

    top: Colour
    bottom: Colour
    sun: Colour
    far: Colour
    middle: Colour
    near: Colour


_PALETTES = (
    "2b5991 facd96 fff0cd 787d96 4c5676 283250",
    "ff945e ffdcaa fffadc c86e60 944854 562a42",
    "5c9ead d6ecdc fffce6 6ea08c 427668 204a48",
    "34265c e87896 ffd6be 784a80 4e3066 2a1c42",
    "76ace2 f0f4fa fff6d6 96b4c8 5c8696 345c6c",
    "121c3a 466096 f0f0e2 344674 222e54 121a34",
    "ecb660 fcecbe fffff0 ce9c5c a07448 684c38",
    "9676b2 f6d6e2 fff6ec a080aa 745c8a 483c62",
)


@dataclass(frozen=True, slots=True)
class Picture:
    """What to draw; equal pictures are drawn alike. References are told of unless None."""

    width: int
    height: int
    number: int = 1
    text: str = ""
    style: str = ""
    references: int | None = None
    label: str = "Shot"


def render(picture: Picture, kind: Format = "JPEG", font: Path | None = None) -> bytes:
    """The picture as a file's bytes."""
    return encoded(draw(picture, font), kind)


def draw(picture: Picture, font: Path | None = None) -> Image.Image:
    """The picture as pixels."""
    image = landscape(picture)
    _write(image, picture, font)
    return image


def lettering(picture: Picture, font: Path | None = None) -> Image.Image:
    """The picture's writing alone, on nothing, to be laid over a film."""
    image = Image.new("RGBA", (picture.width, picture.height), (0, 0, 0, 0))
    _write(image, picture, font)
    return image


def encoded(image: Image.Image, kind: Format = "JPEG") -> bytes:
    """The image as a file's bytes, quick rather than small."""
    out = io.BytesIO()
    if kind == "PNG":
        image.save(out, kind, compress_level=1)
    else:
        image.save(out, kind, quality=_QUALITY, method=0)
    return out.getvalue()


def with_comment(jpeg: bytes, text: str) -> bytes:
    """The JPEG with a comment segment behind its first marker."""
    comment = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def palette_of(number: int) -> Palette:
    """Neighbouring shots differ in colour."""
    words = _PALETTES[(number - 1) % len(_PALETTES)].split()
    return Palette(*(ImageColor.getrgb(f"#{word}") for word in words))


def landscape(picture: Picture) -> Image.Image:
    """The picture without its writing."""
    width, height = max(1, picture.width // _SCALE), max(1, picture.height // _SCALE)
    palette = palette_of(picture.number)
    # Repeatable scenery, nothing secret.
    chance = random.Random(f"{picture.number} {picture.text}")
    image = _sky(palette, width, height)
    pen = ImageDraw.Draw(image)
    _draw_sun(pen, palette, chance, width, height)
    for layer, colour in enumerate((palette.far, palette.middle, palette.near)):
        pen.polygon(_hill(chance, layer, width, height), fill=colour)
    return image.resize((picture.width, picture.height), Image.Resampling.BICUBIC)


def _sky(palette: Palette, width: int, height: int) -> Image.Image:
    column = Image.new("RGB", (1, 2))
    column.putpixel((0, 0), palette.top)
    column.putpixel((0, 1), palette.bottom)
    return column.resize((width, height), Image.Resampling.BICUBIC, box=(0, 0.5, 1, 1.5))


def _draw_sun(
    pen: ImageDraw.ImageDraw, palette: Palette, chance: random.Random, width: int, height: int
) -> None:
    x, y = width * chance.uniform(0.2, 0.8), height * chance.uniform(0.18, 0.4)
    radius = min(width, height) * chance.uniform(0.07, 0.12)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=palette.sun)


def _hill(chance: random.Random, layer: int, width: int, height: int) -> list[tuple[float, float]]:
    """A ridge of two waves, the nearer the lower and the rougher."""
    base = height * (0.48 + 0.14 * layer)
    high, low = height * 0.09, height * 0.03
    shift, waves = chance.uniform(0, math.tau), chance.uniform(1.1, 2.2) + 0.4 * layer
    step = max(1, width // 80)
    ridge = [
        (
            float(x),
            base
            + high * math.sin(shift + waves * math.tau * x / width)
            + low * math.sin(2.7 * shift + 3.1 * waves * math.tau * x / width),
        )
        for x in range(0, width + step, step)
    ]
    return [*ridge, (float(width), float(height)), (0.0, float(height))]


def _write(image: Image.Image, picture: Picture, font: Path | None) -> None:
    """The number above, the text on a dark band below, style and references under it."""
    short = min(image.width, image.height)
    margin, size = short // 24, max(9, short // 22)
    text_font, small = font_of(size, font), font_of(max(8, size * 2 // 3), font)
    lines = wrapped(picture.text, text_font, image.width - 4 * margin, 3)
    line_height = int(size * 1.45)
    band = line_height * len(lines) + size + 2 * margin
    _shade(
        image, (margin, image.height - margin - band, image.width - margin, image.height - margin)
    )
    pen = ImageDraw.Draw(image)
    y = image.height - band
    for line in lines:
        pen.text((2 * margin, y), line, font=text_font, fill=_INK)
        y += line_height
    pen.text((2 * margin, y + size // 4), _footer(picture), font=small, fill=(214, 214, 208))
    _badge(image, f"{picture.label} {picture.number}", margin, int(size * 1.5), font)


def _footer(picture: Picture) -> str:
    count = picture.references
    references = f"{count or 'no'} reference image{'' if count == 1 else 's'}"
    size = f"{picture.width}x{picture.height}"
    parts = (picture.style, "" if count is None else references, size)
    return " · ".join(part for part in parts if part)


def _badge(image: Image.Image, text: str, margin: int, size: int, font: Path | None) -> None:
    letters = font_of(size, font)
    width = int(letters.getlength(text)) + size
    _shade(image, (margin, margin, margin + width, margin + int(size * 1.7)))
    place = (margin + size // 2, margin + int(size * 0.85))
    # Pillow's bitmap font knows no anchors; every Pillow with FreeType has the other one.
    ImageDraw.Draw(image).text(place, text, font=letters, fill=_INK, anchor="lm")


def _shade(image: Image.Image, box: tuple[int, int, int, int]) -> None:
    """Darken a rectangle to 45 %, so that the text can be read on any colour."""
    if image.mode == "RGBA":
        image.paste((0, 0, 0, 140), box)  # 140/255 = 55 % black
        return
    image.paste(image.crop(box).point([value * 45 // 100 for value in range(256)] * 3), box[:2])
