"""The prompt of a storyboard picture."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.storyboard.characters import MAX_REFERENCES, references
from core.storyboard.prompts import MAX_PROMPT_LENGTH, STYLES, storyboard_prompt
from core.storyboard.script import Character, Shot
from core.storyboard.text import clean

GINGER = Character(name="Ginger (orange tabby cat, animated)", reference_images=("g1", "g2"))
BOB = Character(name="Bob (white man, 30s)", reference_images=("b1",))
ZED = Character(name="Zed (blue robot)")

ONCE = "appears only once"
LIKENESS = "exactly as in that reference image"

WORDS = st.text(max_size=300)


@st.composite
def any_shot(draw: st.DrawFn) -> Shot:
    long = st.one_of(WORDS, st.text("ab ", max_size=5000), st.text("猫", max_size=5000))
    return Shot(
        shot_number=1,
        description=draw(long.filter(clean)),
        character_action=draw(long),
        camera_angle=draw(WORDS),
        mood=draw(WORDS),
    )


@st.composite
def any_character(draw: st.DrawFn) -> Character:
    long = st.sampled_from(["x" * 480 + " (purple hamster)", "Bob (white man)", "(white squirrel)"])
    images: tuple[str, ...] = ("u",) if draw(st.booleans()) else ()
    return Character(name=draw(st.one_of(WORDS.filter(clean), long)), reference_images=images)


def prompt(
    description: str = "Ginger sleeps",
    *characters: Character,
    style: str | None = "realistic",
    sent: int = MAX_REFERENCES,
    **fields: str,
) -> str:
    shot = Shot.model_validate({"shot_number": 1, "description": description, **fields})
    text = storyboard_prompt(shot, characters, style, sent)
    assert len(text) <= MAX_PROMPT_LENGTH
    return text


@pytest.mark.parametrize("style", ["realistic", "anime", "cinematic", "cyberpunk"])
def test_the_prompt_ends_with_its_style(style: str) -> None:
    assert prompt(style=style).endswith(STYLES[style])
    assert prompt(style=f" {style.upper()} ").endswith(STYLES[style])


def test_each_style_differs() -> None:
    assert len(set(STYLES.values())) == len(STYLES) == 4


@pytest.mark.parametrize("style", ["no-such-style", "", None])
def test_an_unknown_style_is_realistic(style: str | None) -> None:
    assert prompt(style=style).endswith(STYLES["realistic"])


def test_references_are_numbered_in_the_order_sent() -> None:
    text = prompt("Bob meets Ginger and Zed", BOB, ZED, GINGER)
    assert "image 1 is Bob (man), image 2 is Ginger (cat)." in text
    assert "Also in the scene: Zed (blue robot)." in text
    assert LIKENESS in text


@pytest.mark.parametrize(("characters", "sent"), [((GINGER, BOB), 0), ((ZED,), 1)])
def test_without_references_no_likeness_is_asked_for(
    characters: tuple[Character, ...], sent: int
) -> None:
    text = prompt("a room", *characters, sent=sent)
    assert LIKENESS not in text
    assert "Reference images" not in text
    assert f"Characters: {characters[0].short_name} ({characters[0].colour}" in text


def test_only_the_references_that_are_sent_are_numbered() -> None:
    text = prompt("Bob meets Ginger", BOB, GINGER, sent=1)
    assert "Reference images: image 1 is Bob (man)." in text
    assert "Also in the scene: Ginger (" in text


def test_without_characters_nobody_is_introduced() -> None:
    text = prompt("an empty room")
    assert "Characters:" not in text
    assert "Reference images" not in text


@pytest.mark.parametrize(
    ("name", "introduced"),
    [("(cat)", "Characters: the cat."), ("Bob", "Characters: Bob (character).")],
)
def test_incomplete_names_are_still_introduced(name: str, introduced: str) -> None:
    assert introduced in prompt("a room", Character(name=name))


@pytest.mark.parametrize(
    "description",
    [
        "Ginger looks into a Mirror",
        "two mirrors",
        "a mirrored hall",
        "her reflection in the lake",
        "reflections everywhere",
        "the room reflects in glass",
        "the twin",
        "Twins play",
        "a clone walks in",
        "CLONES",
        "a cloned cat",
        "一面mirror",
        "她看着镜子",
        "水中的倒影",
        "双胞胎",
        "克隆人",
    ],
)
def test_scenes_with_doubles_may_show_somebody_twice(description: str) -> None:
    assert ONCE not in prompt(description, GINGER)
    assert ONCE not in prompt("a room", GINGER, character_action=description)


@pytest.mark.parametrize(
    "description",
    [
        "a twinkling star",
        "twine",
        "a cyclone",
        "entwined",
        "戴眼镜的猫",
        "镜头拉近",
        "an empty room",
    ],
)
def test_other_scenes_show_each_character_once(description: str) -> None:
    assert ONCE in prompt(description, GINGER)


def test_camera_mood_and_action_appear_when_given() -> None:
    text = prompt("A door", camera_angle="wide", mood="calm", character_action="stands")
    assert "Scene: A door. Action: stands. Camera: wide. Mood: calm. " in text


def test_camera_mood_and_action_are_left_out_when_absent() -> None:
    text = prompt("A door")
    assert not re.search("Action:|Camera:|Mood:", text)
    assert "  " not in text


def test_no_lettering_is_wanted() -> None:
    assert "no text, captions, subtitles, logos or watermarks" in prompt()


@pytest.mark.parametrize("ending", [".", "!", "?", "…", "。", "！", "？"])
def test_a_finished_sentence_gets_no_second_stop(ending: str) -> None:
    assert f"Scene: A door{ending} " in prompt(f"A door{ending}")


def test_untrusted_text_stays_on_one_line() -> None:
    text = prompt("a\r\n\x00door\u2028\u202ehere", GINGER, mood="\x1b[31mred")
    assert "Scene: a door here." in text
    assert text.isprintable()


def test_a_long_description_is_cut_between_words() -> None:
    text = prompt("wonderful " * 400, GINGER, BOB)
    scene = re.search(r"Scene: ((?:wonderful ?)+)… ", text)
    assert scene
    assert len(text) > MAX_PROMPT_LENGTH - len("wonderful ") - 2


def test_a_long_description_without_spaces_is_cut_too() -> None:
    assert MAX_PROMPT_LENGTH - 3 < len(prompt("猫" * 5000)) <= MAX_PROMPT_LENGTH


def test_one_long_word_is_cut_and_not_dropped() -> None:
    assert prompt("see " + "y" * 4000).count("y") > 1000


def test_a_crowd_is_named_as_far_as_references_go() -> None:
    crowd = [Character(name=f"N{n} (man)") for n in range(40)]
    assert prompt("a room", *crowd).count("(man)") == MAX_REFERENCES


def test_a_long_action_leaves_room_for_the_scene() -> None:
    text = prompt("lovely " * 500, character_action="runs " * 900)
    assert text.count("lovely") > 100
    assert text.count("runs") > 50


def test_the_longest_names_still_leave_room_for_the_scene() -> None:
    long = Character(name="x" * 450 + " (purple squirrel)", reference_images=("u",))
    crowd = [long.model_copy(update={"id": str(n)}) for n in range(30)]
    text = prompt("y" * 5000, *crowd, style="cinematic", camera_angle="z" * 5000, mood="w" * 5000)
    assert text.count("y") > 200
    assert f"image {MAX_REFERENCES} is" in text
    assert f"image {MAX_REFERENCES + 1} is" not in text


@given(
    any_shot(),
    st.lists(any_character(), max_size=30),
    st.one_of(st.text(), st.none(), st.sampled_from([*STYLES])),
    st.integers(0, MAX_REFERENCES),
)
def test_any_prompt_is_one_bounded_line_that_ends_with_a_style(
    shot: Shot, characters: list[Character], style: str | None, sent: int
) -> None:
    text = storyboard_prompt(shot, characters, style, sent)
    assert len(text) <= MAX_PROMPT_LENGTH
    assert text.isprintable()
    assert text.endswith(f" Style: {STYLES.get(style or '', STYLES['realistic'])}")


@given(st.lists(st.sampled_from([BOB, ZED, GINGER]), unique=True))
def test_numbers_agree_with_the_references_sent(characters: list[Character]) -> None:
    text = prompt("a room", *characters)
    numbered = re.findall(r"image (\d+) is (\w+)", text)
    urls = {"Bob": "b1", "Ginger": "g2"}
    assert [(int(n), urls[name]) for n, name in numbered] == [
        (n, one.image_url) for n, one in enumerate(references(characters), 1)
    ]
