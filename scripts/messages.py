"""Writes the tables of docs/messages.md and its twin: `python -m scripts.messages`.

They are made from core/people.py; what stands above the first of them is written by hand.
"""

from collections.abc import Mapping
from pathlib import Path

from config.variables import Language
from core.people import Cause, Text, Thing, Why, sentence, thumbnail_failed

_DOCS = Path(__file__).parents[1] / "docs"
PAGES: Mapping[Language, Path] = {"en": _DOCS / "messages.md", "zh": _DOCS / "zh/messages.md"}

_FIRST_PART = "\n## "
_TABLE = Text("| what happened | English | Chinese |", "| 发生了什么 | 英文 | 中文 |")
_TITLES: Mapping[Thing, Text] = {
    Thing.PICTURE: Text("Pictures", "图片"),
    Thing.CLIP: Text("Clips", "视频片段"),
    Thing.FILM: Text("Final videos", "成片"),
    Thing.VIDEO: Text("Videos", "视频"),
    Thing.THUMBNAIL: Text("Thumbnails", "缩略图"),
}


def page(language: Language) -> str:
    """The whole page."""
    head = PAGES[language].read_text("utf-8").partition(_FIRST_PART)[0]
    return "\n".join([head, *(_part(thing, language) for thing in Thing)])


def shown(cause: Cause, thing: Thing, language: Language) -> str:
    """A sentence as it stands on the page."""
    why = Why(cause)
    if thing is Thing.THUMBNAIL:
        return thumbnail_failed(why, language)
    said = cause.value.text(thing).in_language(language)
    return said if "{shots}" in said else sentence(why, thing, language)


def _part(thing: Thing, language: Language) -> str:
    rows = [_row(cause, thing, language) for cause in Cause if thing in cause.value.things]
    head = [f"## {_TITLES[thing].in_language(language)}", "", _TABLE.in_language(language)]
    return "\n".join([*head, "|---|---|---|", *rows, ""])


def _row(cause: Cause, thing: Thing, language: Language) -> str:
    when = cause.value.when.in_language(language)
    return f"| {when} | {shown(cause, thing, 'en')} | {shown(cause, thing, 'zh')} |"


if __name__ == "__main__":
    for one, path in PAGES.items():
        path.write_text(page(one), "utf-8")
