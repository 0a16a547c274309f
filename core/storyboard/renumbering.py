"""Finds a job's shots in the script after shots were deleted and renumbered."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Protocol

from core.storyboard.text import clean

OF_NO_SHOT = 0
"""The number of a row that is none of a job's shots; shots are numbered from 1."""


class ScriptShot(Protocol):
    """A shot by its number, with the texts that tell it from others."""

    @property
    def shot_number(self) -> int:
        """From 1."""
        ...

    @property
    def description(self) -> str:
        """What is seen."""
        ...

    @property
    def character_action(self) -> str | None:
        """What the characters do."""
        ...


def numbers_now(asked: Sequence[ScriptShot], script: Sequence[ScriptShot]) -> dict[int, int] | None:
    """The script's number of each shot that was asked for; deleted ones are left out.

    Both are compared in the order of their numbers, which no deletion changes, so that shots with
    the same texts are told apart, and a shot that was edited is known by its neighbours. None when
    no text is the same: then nothing is known.
    """
    before, now = _in_order(asked), _in_order(script)
    texts = [_text(shot) for shot in before], [_text(shot) for shot in now]
    matcher = SequenceMatcher(None, *texts, autojunk=False)
    if not any(block.size for block in matcher.get_matching_blocks()):
        return None
    return {before[i].shot_number: now[j].shot_number for i, j in _pairs(matcher)}


def _pairs(matcher: "SequenceMatcher[tuple[str, str]]") -> Iterator[tuple[int, int]]:
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        is_edited = kind == "replace" and i_end - i == j_end - j
        if kind == "equal" or is_edited:
            yield from zip(range(i, i_end), range(j, j_end), strict=True)


def _in_order(shots: Sequence[ScriptShot]) -> list[ScriptShot]:
    return sorted(shots, key=lambda shot: shot.shot_number)


def _text(shot: ScriptShot) -> tuple[str, str]:
    return clean(shot.description), clean(shot.character_action or "")
