"""Which alerts are alike."""

import pytest

from core.alert import kind_of, shown


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Shot 3 failed after 12.5 s", "Shot 14 failed after 1 s"),
        ("Project 1111-a is gone", "Project 2222-b is gone"),
        ("https://a.example/x answered 500", "https://b.example/y answered 502"),
        ("Unknown job name 'a'", "Unknown job name 'b c d'"),
        ('Field "x": too long', 'Field "y z": too long'),
        ("Shots 1, 2, 3 failed", "Shots 4 failed"),
    ],
)
def test_what_differs_in_ids_and_numbers_only_is_alike(one: str, other: str) -> None:
    assert kind_of("job", one) == kind_of("job", other)


def test_other_reasons_and_other_jobs_are_not() -> None:
    kinds = {kind_of("a", "no disk"), kind_of("b", "no disk"), kind_of("a", "no memory")}
    assert len(kinds) == 3


def test_long_and_hostile_text_stays_short() -> None:
    assert len(kind_of("x" * 10_000, "' \" " * 10_000)) <= 1000
    assert shown("a\n@channel\x1b[2J" * 1000) == f"{('a @channel [2J' * 1000)[:999]}…"
