"""What a picture shows of its prompt: the shot's number, the scene and the style."""

import re
from dataclasses import dataclass

_NUMBER = re.compile(r"(?i:\bshot)[\s#-]*(\d{1,3})|(?:第|镜头|分镜)\s*(\d{1,3})")
_SCENE = re.compile(
    r"Scene: (.+?)(?= (?:Action|Camera|Mood|Reference images|Characters|Style): "
    r"| Also in the scene| Each character| One single|$)",
    re.DOTALL,
)
_STYLE = re.compile(r"Style: ([^,.;]{1,40})")
_MAX_TEXT = 220


@dataclass(frozen=True, slots=True)
class Caption:
    """`number` is None when the prompt tells of no shot."""

    number: int | None
    text: str
    style: str


def caption_of(prompt: str) -> Caption:
    """Read the worker's own prompts by their labels, anybody else's as they are."""
    scene = _SCENE.search(prompt)
    text = (scene.group(1) if scene else prompt)[:_MAX_TEXT]
    style = _STYLE.search(prompt)
    return Caption(_number(prompt), text, style.group(1).strip() if style else "")


def _number(text: str) -> int | None:
    found = _NUMBER.search(text)
    return int(found.group(1) or found.group(2)) if found else None
