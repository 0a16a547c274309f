"""Reading characters from a job and finding those that a shot shows."""

import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.storyboard.characters import MAX_REFERENCES, Reference, characters_of_shot, references
from core.storyboard.script import Character, Shot
from core.storyboard.text import clean, fold

GINGER = "Ginger (orange tabby cat, animated)"
BOB = "Bob (white man, 30s)"
TOM = "Tom (black cat)"

NAMES = st.one_of(
    st.sampled_from(
        [GINGER, BOB, TOM, "小明（男孩）", "C++ (robot)", "(cat)", "Bob Jr", ".*", "("]
    ),
    st.text(min_size=1, max_size=30).filter(clean),
)
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(["Ginger", "bob", "the orange cat", "cat", "小明", "C++", "bobcat", "Jr"]),
        st.text(max_size=10),
    ),
    max_size=8,
).map(" ".join)


@st.composite
def any_character(draw: st.DrawFn) -> Character:
    images = draw(st.lists(st.sampled_from(["a.jpg", "b.jpg", " "]), max_size=3))
    identity = draw(st.none() | st.uuids().map(str))
    return Character(name=draw(NAMES), id=identity, reference_images=tuple(images))


@st.composite
def any_shot(draw: st.DrawFn) -> Shot:
    return Shot(
        shot_number=1,
        description=draw(TEXTS.filter(clean)),
        character_action=draw(TEXTS),
        characters=tuple(draw(st.lists(TEXTS, max_size=4))),
    )


CHARACTERS = st.lists(any_character(), max_size=6)
SHOTS = any_shot()


def cast(*names: str) -> tuple[Character, ...]:
    return tuple(Character(name=name) for name in names)


def chosen(
    characters: tuple[Character, ...], description: str, action: str = "", *listed: str
) -> list[str]:
    shot = Shot(shot_number=1, description=description, character_action=action, characters=listed)
    return [one.name for one in characters_of_shot(shot, characters)]


@pytest.mark.parametrize(
    ("name", "short_name", "description"),
    [
        (GINGER, "Ginger", "orange tabby cat, animated"),
        ("Bob", "Bob", ""),
        ("  Bob\n\tRoss  (man)", "Bob Ross", "man"),
        ("小明（男孩，八岁）", "小明", "男孩，八岁"),
        ("(cat)", "", "cat"),
        ("Bob (man", "Bob", "man"),
        ("Bob (man (tall), 30s) ", "Bob", "man (tall), 30s"),
        ("Bob ()", "Bob", ""),
    ],
)
def test_a_name_is_split_at_its_parenthesis(name: str, short_name: str, description: str) -> None:
    character = Character(name=name)
    assert (character.short_name, character.description) == (short_name, description)


@pytest.mark.parametrize(
    ("description", "kind", "colour"),
    [
        ("orange tabby cat, animated", "cat", "orange"),
        ("white man, 30s", "man", "white"),
        ("30s, Black Woman", "woman", "black"),
        ("grey kitten", "cat", "gray"),
        ("girl with cat ears", "girl", None),
        ("girl, red hair", "girl", None),
        ("a man and his dog", "man", None),
        ("black and white cat", "cat", "black"),
        ("robot dog", "dog", None),
        ("male", "man", None),
        ("policeman's badge", "character", None),
        ("60s, wears a hat", "person", None),
        ("1950s diner", "character", None),
        ("", "character", None),
        ("橘猫", "cat", "orange"),
        ("熊猫", "panda", None),
        ("戴红帽子的女孩", "girl", None),
        ("机器人", "robot", None),
    ],
)
def test_kind_and_colour(description: str, kind: str, colour: str | None) -> None:
    character = Character(name=f"X ({description})")
    assert (character.kind, character.colour) == (kind, colour)


def test_aliases_are_noun_and_modifiers() -> None:
    assert {"cat", "orange cat", "tabby cat", "orange tabby cat"} <= set(
        Character(name=GINGER).aliases
    )
    assert Character(name="Zed").aliases == ()
    assert Character(name="咪咪（橙色的猫）").aliases == (
        "cat", "orange cat", "橙猫", "橙色的猫", "猫",
    )  # fmt: skip


def test_aliases_stay_short() -> None:
    wordy = Character(name=f"X ({'very ' * 90}big cat)")
    assert max(len(alias.split()) for alias in wordy.aliases) == 8


@pytest.mark.parametrize(
    ("description", "action", "expected"),
    [
        ("Ginger stands near a red door", "", [GINGER]),
        ("Bob opens the door while Ginger watches", "", [BOB, GINGER]),
        ("A door opens", "GINGER looks at bob", [GINGER, BOB]),
        ("The door of Bob", "Ginger leaves Bob", [BOB, GINGER]),
        ("Bob's hat", "", [BOB]),
        ("走廊里Bob和Ginger一起走", "", [BOB, GINGER]),
        ("SHOT_Bob", "", [BOB]),
        ("Ｂｏｂ waves", "", [BOB]),
    ],
)
def test_characters_named_in_the_text(description: str, action: str, expected: list[str]) -> None:
    assert chosen(cast(GINGER, BOB), description, action, "someone else") == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Bob", "a bobcat"),
        ("Bob", "two Bobs"),
        ("Bob", "kabob"),
        ("Bob", "Bob2"),
        ("Łuk", "Łukasz"),
        (".*", "anything"),
        ("C++ (robot)", "C"),
        ("(cat)", "nobody"),
        ("Bob Ross", "Bob"),
    ],
)
def test_what_is_not_a_mention(name: str, text: str) -> None:
    other = "Witness (owl)"
    assert chosen(cast(name, other), f"{text} and Witness") == [other]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("C++ (robot)", "then C++ speaks"),
        ("$^ [a-z]+", "see $^ [a-z]+ run"),
        ("小明（男孩）", "早上小明跑步"),
        ("Straße", "the STRASSE sign"),
        ("José", "Jose\u0301 sings"),
        ("R2-D2 (robot)", "R2-D2."),
        ("민수 (boy)", "민수가 달린다"),
    ],
)
def test_what_is_a_mention(name: str, text: str) -> None:
    assert chosen(cast("Witness (owl)", name), text) == [name]


def test_the_longer_of_two_overlapping_names_counts() -> None:
    family = cast("小明", "小明妈妈", "Bob", "Bob Jr")
    assert chosen(family, "Bob Jr 看见小明妈妈") == ["Bob Jr", "小明妈妈"]
    assert chosen(family, "Bob Jr and Bob") == ["Bob Jr", "Bob"]


def test_long_names_that_differ_at_their_end_take_no_time() -> None:
    """200 of them beside the longest text: each was tried at each place, for 1.5 s."""
    many = cast(*(f"{'猫' * 496}{number}" for number in range(200)), "狗")
    text = "猫" * 5_000
    shot = Shot(shot_number=1, description=text, character_action=text)
    began = time.process_time()
    assert len(characters_of_shot(shot, many)) == 201
    assert time.process_time() - began < 0.3


def test_characters_that_share_a_name_both_appear() -> None:
    twins = cast("Ann (girl)", GINGER, "Ann (woman)")
    assert chosen(twins, "Ann waves") == ["Ann (girl)", "Ann (woman)"]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (["the orange cat"], [GINGER]),
        (["The Orange Cat"], [GINGER]),
        (["orange tabby cat"], [GINGER]),
        (["tabby cat"], [GINGER]),
        (["a sleepy orange cat"], [GINGER]),
        (["the cat"], [GINGER, TOM]),
        (["cat", "the man"], [GINGER, TOM, BOB]),
        (["black cat", "the orange cat"], [TOM, GINGER]),
        (["bob", "GINGER"], [BOB, GINGER]),
        (["Ginger (some other description)"], [GINGER]),
        (["Zed (friend of Bob)"], [GINGER, BOB, TOM]),
        (["catfish"], [GINGER, BOB, TOM]),
        (["", " "], [GINGER, BOB, TOM]),
        ([], [GINGER, BOB, TOM]),
    ],
)
def test_listed_characters_when_the_text_names_none(listed: list[str], expected: list[str]) -> None:
    assert chosen(cast(GINGER, BOB, TOM), "a quiet room", "", *listed) == expected


def test_a_full_name_tells_namesakes_apart() -> None:
    twins = cast("Ann (girl)", "Ann (woman)")
    assert chosen(twins, "a room", "", "ann (woman)") == ["Ann (woman)"]


def test_a_listed_alias_of_a_chinese_character() -> None:
    assert chosen(cast("咪咪（橘猫）", "小黑（黑猫）"), "房间", "", "那只黑猫") == ["小黑（黑猫）"]


def test_the_recorded_shot_with_a_generic_name_shows_one_character() -> None:
    description = "SHOT-3 the orange cat sleeps"
    assert chosen(cast(GINGER, BOB), description, "", "the orange cat") == [GINGER]


def test_aliases_in_the_text_give_the_order() -> None:
    listed = ("the orange cat", "the black cat", "man")
    description = "a black cat hides, a man waits for the orange cat"
    assert chosen(cast(GINGER, BOB, TOM), description, "", *listed) == [TOM, BOB, GINGER]


def test_references_are_the_newest_images_in_order() -> None:
    characters = [
        Character(id="b", name="Bob", reference_images=("b1", "b2")),
        Character(id="n", name="Nobody"),
        Character(name="Ginger", reference_images=("g1", " ")),
    ]
    assert references(characters) == (Reference("b2", "b"), Reference("g1", None))


def test_references_stop_at_what_the_providers_take() -> None:
    many = [Character(id=str(n), name=f"N{n}", reference_images=("u",)) for n in range(20)]
    assert [one.character_id for one in references(many)] == [str(n) for n in range(MAX_REFERENCES)]


@given(SHOTS, CHARACTERS)
def test_the_chosen_are_a_subset_without_repetition(
    shot: Shot, characters: list[Character]
) -> None:
    result = characters_of_shot(shot, characters)
    assert set(result) <= set(characters)
    assert len(result) == len(set(result))
    assert bool(result) == bool(characters)


@given(SHOTS, CHARACTERS)
def test_choosing_again_changes_nothing(shot: Shot, characters: list[Character]) -> None:
    once = characters_of_shot(shot, characters)
    assert characters_of_shot(shot, once) == once


@given(SHOTS, CHARACTERS, st.randoms(use_true_random=False))
def test_the_order_given_does_not_change_who_is_chosen(
    shot: Shot, characters: list[Character], chance: random.Random
) -> None:
    shuffled = chance.sample(characters, len(characters))
    assert set(characters_of_shot(shot, shuffled)) == set(characters_of_shot(shot, characters))


@given(
    st.permutations(["Anna", "Ben", "小明", "C++"]), st.permutations(["Anna", "Ben", "小明", "C++"])
)
def test_the_order_is_that_of_the_first_mention(said: list[str], given_: list[str]) -> None:
    assert chosen(cast(*given_), ", ".join([*said, *reversed(said)])) == said


@given(CHARACTERS)
def test_every_reference_is_the_last_image_of_its_character(characters: list[Character]) -> None:
    pictured = [one for one in characters if one.reference_images]
    assert [(one.image_url, one.character_id) for one in references(characters)] == [
        (one.reference_images[-1], one.id) for one in pictured
    ]


@given(st.text())
def test_cleaned_text_is_one_printable_line(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.isprintable()
    assert cleaned == " ".join(cleaned.split()) == clean(cleaned)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [("Gin\u00adger", "Ginger"), ("\ufeffBob\u200b", "Bob"), ("a\x00b\u2028c", "a b c")],
)
def test_invisible_marks_leave_no_gap(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.text("abzäßéñΣσς小猫Ｂ .", max_size=50))
def test_folding_ignores_case(text: str) -> None:
    assert fold(text.upper()) == fold(text.lower()) == fold(text)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"shot_number": 0}, "shot_number"),
        ({"shot_number": 1001}, "shot_number"),
        ({"shot_number": 1.5}, "shot_number"),
        ({"description": None}, "description"),
        ({"description": " \n\x00 "}, "description"),
        ({"description": "x" * 5001}, "description"),
        ({"characters": [1]}, "characters.0"),
        ({"characters": "Bob"}, "characters"),
    ],
)
def test_a_wrong_shot_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Shot.model_validate({"shot_number": 1, "description": "x", **change})
    assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [field]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "\u200b \t"}, "name"),
        ({"name": "x" * 501}, "name"),
        ({"id": 7}, "id"),
        ({"reference_images": ["u", None]}, "reference_images.1"),
    ],
)
def test_a_wrong_character_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Character.model_validate({"name": "Bob", **change})
    assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [field]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "String should have at least 1 character"),
        ("x" * 501, "String should have at most 500 characters"),
    ],
)
def test_the_message_counts_characters(name: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Character(name=name)


def test_null_is_read_as_absent_and_unknown_fields_are_ignored() -> None:
    optional = ("camera_angle", "character_action", "characters", "mood")
    nulls = dict.fromkeys(optional)
    shot = Shot.model_validate({"shot_number": 1, "description": " x ", "seed": 5, **nulls})
    assert shot == Shot(shot_number=1, description="x")
    character = Character.model_validate({"id": None, "name": "Bob", "reference_images": None})
    assert character == Character(name="Bob")


def test_half_a_surrogate_pair_is_dropped() -> None:
    assert Shot(shot_number=1, description="smile \ud83d").description == "smile"


@pytest.mark.parametrize("change", [{"name": "Eve"}, {"id": "other"}])
def test_characters_cannot_be_changed(change: dict[str, str]) -> None:
    character = Character(name="Bob")
    with pytest.raises(ValidationError, match="frozen"):
        setattr(character, *next(iter(change.items())))
