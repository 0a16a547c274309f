"""Shots and characters as the app sends them with a storyboard job, cleaned on the way in."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

MAX_SHOT_NUMBER = 1000

# Scripts written without spaces between words: Thai to Myanmar, Khmer, kana, Chinese, Hangul.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)


def clean(text: str) -> str:
    """One line of printable characters; halves of surrogate pairs and invisible marks go too."""
    kept = (char if char.isprintable() else _instead_of(char) for char in text)
    return " ".join("".join(kept).split())


def _instead_of(char: str) -> str:
    return "" if unicodedata.category(char) == "Cf" else " "


def fold(text: str) -> str:
    """The form in which names are compared: case, width and composed accents do not count."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _cleaned(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def _none_as_text(value: object) -> object:
    return "" if value is None else value


def _none_as_empty(value: object) -> object:
    return () if value is None else value


def _without_blanks(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(stripped for value in values if (stripped := value.strip()))


# Limits come first: they then count what is left after cleaning.
_Text = Annotated[
    str, Field(max_length=5000), BeforeValidator(_cleaned), BeforeValidator(_none_as_text)
]
_Texts = Annotated[
    tuple[str, ...],
    Field(max_length=200),
    AfterValidator(_without_blanks),
    BeforeValidator(_none_as_empty),
]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Shot(_Model):
    """One shot of the script. `characters` are names as the script analysis wrote them."""

    shot_number: int = Field(ge=1, le=MAX_SHOT_NUMBER)
    description: Annotated[str, Field(min_length=1, max_length=5000), BeforeValidator(_cleaned)]
    camera_angle: _Text = ""
    character_action: _Text = ""
    characters: _Texts = ()
    mood: _Text = ""


class Character(_Model):
    """A person or animal of the story. `reference_images` are URLs, the newest last."""

    id: Annotated[str, Field(max_length=500)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=500), BeforeValidator(_cleaned)]
    reference_images: _Texts = ()

    @property
    def short_name(self) -> str:
        """The name alone: "Ginger" of "Ginger (orange tabby cat, animated)"; may be empty."""
        return split_name(self.name)[0]

    @property
    def description(self) -> str:
        """What stands in the parenthesis: "orange tabby cat, animated"; may be empty."""
        return split_name(self.name)[1]

    @property
    def kind(self) -> str:
        """One plain word: cat, man, robot …; "person" or "character" when nothing says more."""
        return appearance(self.description).kind

    @property
    def colour(self) -> str | None:
        """The colour that goes with the kind: "orange" of an "orange tabby cat"."""
        return appearance(self.description).colour

    @property
    def aliases(self) -> tuple[str, ...]:
        """What a script may call it, folded: cat, orange cat, tabby cat, orange tabby cat."""
        return appearance(self.description).aliases

    @property
    def reference_image(self) -> str | None:
        """The newest one."""
        return self.reference_images[-1] if self.reference_images else None


def split_name(name: str) -> tuple[str, str]:
    """Short name and description. Full-width parentheses count: scripts may be Chinese."""
    head, _, rest = name.replace("（", "(").replace("）", ")").partition("(")
    inside, closed, _ = rest.rpartition(")")
    return head.strip(), (inside if closed else rest).strip()


@dataclass(frozen=True, slots=True)
class Appearance:
    """What the words in a parenthesis say about a character."""

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
            # Single Chinese characters say nothing unless they are colours.
            telling = (word for word in phrase[:place] if len(word) > 1 or word in _COLOUR_OF)
            yield from (_joined([word, noun]) for word in telling)


def _joined(words: list[str]) -> str:
    return re.sub(_CHINESE_GAP, "", " ".join(words))


def _by_word(table: Mapping[str, str]) -> dict[str, str]:
    return {word: meaning for meaning, words in table.items() for word in words.split()}


# What a model draws from one plain word, and the words that scripts use for it.
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
# More words than this before a noun are a story, not a name.
_MAX_WORDS = 8
_AGE = re.compile(r"\b[1-9]0s\b|\byears?[ -]old\b|岁")
# "戴红帽子的女孩" is a girl, not a red one.
_WORN = re.compile(r"[戴穿带][^,、。]*的")
# These two are compiled when first used, by then kept by `re`: 7 ms of the worker's start.
_CHINESE_GAP = rf"(?<=[{UNSPACED}]) (?=[{UNSPACED}])"
_CHINESE_KINDS = sorted((word for word in _KIND_OF if not word.isascii()), key=len, reverse=True)
_WORD = rf"{'|'.join(_CHINESE_KINDS)}|[{UNSPACED}]|[^\W_{UNSPACED}]+|[,;:./+&()、。]"
