"""Which characters a shot shows, and which reference images go with them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from core.storyboard.script import Character, Shot
from core.storyboard.text import UNSPACED, fold, split_name

# The highest limit of the models: Seedream 4.x and 5.0 lite, and Gemini.
MAX_REFERENCES = 14

_LETTER = rf"[^\W_{UNSPACED}]"
# Not inside a word: "Bob" is not in "bobcat". Scripts without spaces have no such borders.
_BORDER = rf"(?!(?<={_LETTER}){_LETTER})"
_NOWHERE = 1 << 30


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference image, and the character that it shows."""

    image_url: str
    character_id: str | None


def characters_of_shot(shot: Shot, characters: Sequence[Character]) -> tuple[Character, ...]:
    """Those named in the text, else those the shot lists, else all; in order of appearance."""
    text = text_of(shot)
    known = tuple(dict.fromkeys(characters))
    by_name = _by_words((fold(one.short_name), one) for one in known)
    places = _places(tuple(by_name), text)
    if places:
        return tuple(_owners(places, by_name))
    return _in_order_of_aliases(_listed(shot.characters, known, by_name) or known, text)


def references(
    characters: Iterable[Character], most: int = MAX_REFERENCES
) -> tuple[Reference, ...]:
    """The newest reference image of each character that has one, at most `most`."""
    found = [Reference(one.reference_image, one.id) for one in characters if one.reference_image]
    return tuple(found[:most])


def text_of(shot: Shot) -> str:
    """The shot's text, folded. No name contains the line break between the two parts."""
    return f"{fold(shot.description)}\n{fold(shot.character_action)}"


def _listed(
    listed: Iterable[str], characters: Sequence[Character], by_name: "_Index"
) -> tuple[Character, ...]:
    """The characters that a shot lists, in the order listed."""
    by_full_name = _by_words((fold(one.name), one) for one in characters)
    by_alias = _by_words((alias, one) for one in characters for alias in one.aliases)
    found: dict[Character, None] = {}
    for entry in listed:
        head = fold(split_name(entry)[0] or entry)
        exact = by_full_name.get(fold(entry))
        found.update(dict.fromkeys(exact or _called(head, by_name) or _called(head, by_alias)))
    return tuple(found)


def _called(entry: str, index: "_Index") -> list[Character]:
    return _owners(_places(tuple(index), entry), index)


def _in_order_of_aliases(characters: Sequence[Character], text: str) -> tuple[Character, ...]:
    aliases = sorted({alias for one in characters for alias in one.aliases})
    places = _places(tuple(aliases), text)

    def first(one: Character) -> int:
        return min((places.get(alias, _NOWHERE) for alias in one.aliases), default=_NOWHERE)

    return tuple(sorted(characters, key=first))


_Index = Mapping[str, list[Character]]


def _by_words(pairs: Iterable[tuple[str, Character]]) -> _Index:
    """Characters by name or alias; several may share one."""
    index: dict[str, list[Character]] = {}
    for words, character in pairs:
        if words:
            index.setdefault(words, []).append(character)
    return index


def _owners(words: Iterable[str], index: _Index) -> list[Character]:
    return [character for one in words for character in index[one]]


def _places(words: tuple[str, ...], text: str) -> dict[str, int]:
    """The first position of each of `words` in `text`, in that order; both are folded.

    Where two overlap the longer counts: "Bob Jr" is not Bob, "the orange cat" is not any cat.
    """
    places: dict[str, int] = {}
    # The pattern tries each word at each position: hundreds of long names would take seconds.
    if there := tuple(word for word in words if word in text):
        for match in _pattern(there).finditer(text):
            places.setdefault(match.group(), match.start())
    return places


@lru_cache(maxsize=32)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(f"{_BORDER}(?:{'|'.join(map(re.escape, longest_first))}){_BORDER}")
