"""Parses a character's description: its kind, its colour, its aliases in a script."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from core.storyboard.text import UNSPACED, fold


@dataclass(frozen=True, slots=True)
class Appearance:
    """A character's looks by the words in its parenthesis."""

    kind: str
    colour: str | None
    aliases: tuple[str, ...]


@lru_cache(maxsize=1024)
def appearance(description: str) -> Appearance:
    """Read "orange tabby cat, animated" as a cat, orange, also called "tabby cat"."""
    text = fold(description)
    phrase = _noun_phrase(re.findall(_WORD, _WORN.sub("", text)))
    if not phrase:
        human = _AGE.search(text)
        return Appearance("person" if human else "character", None, ())
    kind = _KIND_OF[phrase[-1]]
    colour = next((_COLOUR_OF[word] for word in phrase if word in _COLOUR_OF), None)
    general = {kind, f"{colour} {kind}"} if colour else {kind}
    return Appearance(kind, colour, tuple(sorted(general.union(_aliases(phrase)))))


def _noun_phrase(words: list[str]) -> list[str]:
    """The words up to the first noun that names a kind; English puts that noun last.

    "black and white cat" is one phrase, "man with a dog" and "girl, cat ears" stop early.
    """
    start, end = 0, 0
    for place, word in enumerate(words, 1):
        if word in _KIND_OF:
            end = place
        elif end and word in _STOPS:
            break
        elif word in _STOPS - _JOINS:
            start = place
    return [word for word in words[start:end] if word not in _STOPS][-_MAX_WORDS:]


def _aliases(phrase: list[str]) -> Iterator[str]:
    """Each noun alone, with each word before it, and with all of them."""
    for place, noun in enumerate(phrase):
        if noun in _KIND_OF:
            yield noun
            yield _joined(phrase[: place + 1])
            # Single Chinese characters are ambiguous unless they are colours.
            distinctive = (word for word in phrase[:place] if len(word) > 1 or word in _COLOUR_OF)
            yield from (_joined([word, noun]) for word in distinctive)


def _joined(words: list[str]) -> str:
    return re.sub(_CHINESE_GAP, "", " ".join(words))


def _by_word(table: Mapping[str, str]) -> dict[str, str]:
    return {word: meaning for meaning, words in table.items() for word in words.split()}


# The word for the image model, and the words that scripts use for it.
_KIND_OF = _by_word({
    "man": "man male guy gentleman father grandfather king prince 男人 男子 男性 男 爸爸 爷爷",
    "woman": "woman female lady mother grandmother queen princess 女人 女子 女性 女 妈妈 奶奶",
    "boy": "boy 男孩 男童", "girl": "girl 女孩 女童 少女",
    "baby": "baby infant 婴儿 宝宝", "child": "child kid toddler 小孩 孩子 儿童",
    "person": "person human adult teenager student teacher doctor chef soldier trainer 人",
    "cat": "cat kitten kitty tabby 猫 猫咪", "panda": "panda 熊猫",
    "dog": "dog puppy hound corgi poodle husky labrador retriever terrier 狗 小狗 犬",
    "rabbit": "rabbit bunny hare 兔 兔子", "fox": "fox 狐狸", "wolf": "wolf 狼", "bear": "bear 熊",
    "lion": "lion lioness 狮子", "tiger": "tiger 虎 老虎", "elephant": "elephant 大象",
    "horse": "horse pony foal 马", "cow": "cow bull calf 牛", "pig": "pig piglet 猪",
    "sheep": "sheep lamb 羊", "goat": "goat", "deer": "deer fawn 鹿", "monkey": "monkey ape 猴",
    "mouse": "mouse rat 老鼠", "hamster": "hamster 仓鼠", "squirrel": "squirrel 松鼠",
    "bird": "bird parrot eagle crow 鸟", "owl": "owl", "duck": "duck duckling 鸭", "hen": "hen 鸡",
    "penguin": "penguin 企鹅", "frog": "frog toad 青蛙", "turtle": "turtle tortoise 乌龟",
    "snake": "snake 蛇", "fish": "fish 鱼", "shark": "shark", "whale": "whale",
    "dolphin": "dolphin 海豚", "dinosaur": "dinosaur 恐龙", "dragon": "dragon 龙",
    "unicorn": "unicorn 独角兽", "robot": "robot android droid cyborg 机器人",
    "alien": "alien 外星人", "ghost": "ghost 鬼", "fairy": "fairy elf 精灵", "witch": "witch 女巫",
    "wizard": "wizard 巫师", "knight": "knight 骑士", "monster": "monster 怪物",
})  # fmt: skip
_COLOUR_OF = _by_word({
    "orange": "orange 橙 橘", "black": "black 黑", "white": "white 白", "gray": "gray grey 灰",
    "brown": "brown 棕", "red": "red 红", "yellow": "yellow 黄", "green": "green 绿",
    "blue": "blue 蓝", "purple": "purple violet 紫", "pink": "pink 粉", "golden": "golden gold 金",
    "silver": "silver 银", "cream": "cream", "ginger": "ginger",
})  # fmt: skip
_JOINS = frozenset({"a", "an", "the", "and", "和", "与"})
_STOPS = _JOINS | frozenset({
    *",;:./+&()、。带穿戴", "with", "in", "on", "of", "from", "at", "who", "that", "wearing",
    "holding", "has", "having",
})  # fmt: skip
# More words than this before a noun are a sentence, not a name.
_MAX_WORDS = 8
_AGE = re.compile(r"\b[1-9]0s\b|\byears?[ -]old\b|岁")
# "戴红帽子的女孩" is a girl, not a red one.
_WORN = re.compile(r"[戴穿带][^,、。]*的")
# These two are compiled on first use and cached by `re`: that saves 7 ms at start-up.
_CHINESE_GAP = rf"(?<=[{UNSPACED}]) (?=[{UNSPACED}])"
_CHINESE_KINDS = sorted((word for word in _KIND_OF if not word.isascii()), key=len, reverse=True)
_WORD = rf"{'|'.join(_CHINESE_KINDS)}|[{UNSPACED}]|[^\W_{UNSPACED}]+|[,;:./+&()、。]"
