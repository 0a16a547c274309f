"""Shots are known by their texts, in the order of their numbers."""

from core.storyboard.renumbering import numbers_now
from core.storyboard.script import Shot


def shots(**texts: str) -> list[Shot]:
    """By `n1="a door"`: the number and the description."""
    return [Shot(shot_number=int(name[1:]), description=text) for name, text in texts.items()]


ASKED = shots(n1="a door", n2="a cat", n3="a door")


def test_nothing_was_deleted() -> None:
    assert numbers_now(ASKED, ASKED) == {1: 1, 2: 2, 3: 3}


def test_later_shots_moved_up() -> None:
    assert numbers_now(ASKED, shots(n1="a cat", n2="a door")) == {2: 1, 3: 2}


def test_half_renumbered() -> None:
    assert numbers_now(ASKED, shots(n1="a cat", n3="a door")) == {2: 1, 3: 3}


def test_an_edited_shot_is_known_by_its_neighbours() -> None:
    assert numbers_now(ASKED, shots(n1="a door", n2="a dog", n3="a door")) == {1: 1, 2: 2, 3: 3}


def test_some_of_the_shots_are_asked_for() -> None:
    assert numbers_now(ASKED[1:2], shots(n1="a cat", n2="a door")) == {2: 1}


def test_another_script_says_nothing() -> None:
    assert numbers_now(ASKED, shots(n1="a tree", n2="a lake")) is None
    assert numbers_now(ASKED, []) is None
