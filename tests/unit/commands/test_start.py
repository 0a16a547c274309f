"""Which command lines start the worker without the parser."""

from pathlib import Path

import pytest

from commands.app import command_first
from commands.start import Plain, plain


@pytest.mark.parametrize(
    ("words", "env_file"),
    [
        ("", None),
        ("run", None),
        ("--env-file .env.product", Path(".env.product")),
        ("run --env-file .env.product", Path(".env.product")),
    ],
)
def test_what_supervisors_call_needs_no_parser(words: str, env_file: Path | None) -> None:
    assert plain(words.split()) == Plain(env_file)
    assert command_first(words.split())[0] == "run"  # as the parser would read it


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "--version",
        "stats",
        "--watch",
        "run --concurrency 7",
        "--env-file",
        "--env-file --watch",
        "--env-file .env.product stats",
        "run --env-file .env.product --exit-on-no-redis",
    ],
)
def test_all_else_is_left_to_the_parser(words: str) -> None:
    assert plain(words.split()) is None


def test_an_empty_name_is_left_to_the_parser() -> None:
    assert plain(["--env-file", ""]) is None
