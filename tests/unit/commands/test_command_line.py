"""How a command line is read, and what may be shown of a job."""

import sys
from datetime import timedelta

import pytest

from commands.app import command_first
from commands.output import length, printable
from commands.watch import run_watched
from config.environment import Environment
from config.settings import load_settings
from runtime.http.redacted import redacted_view


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("", "run"),
        ("--watch", "run --watch"),
        ("--concurrency 7", "run --concurrency 7"),
        ("--concurrency 7 run --watch", "run --concurrency 7 --watch"),
        ("--env-file run stats --json", "stats --env-file run --json"),
        ("--env-file=x job a", "job --env-file=x a"),
        ("job a --env-file x", "job a --env-file x"),
        ("--help", "--help"),
        ("--version", "--version"),
    ],
)
def test_options_may_stand_before_the_command(words: str, read: str) -> None:
    assert command_first(words.split()) == read.split()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 ms"),
        (0.85, "850 ms"),
        (12.54, "12.5 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations_in_their_two_largest_units(seconds: float, said: str) -> None:
    assert length(timedelta(seconds=seconds)) == said


def test_foreign_text_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[31m红\r\nb") == "a·[31m红·\nb"


def test_secrets_and_signatures_are_left_out() -> None:
    values = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "sb_secret_abc"}
    settings = load_settings(environment=Environment(values, {}))
    data = {
        "note": "with sb_secret_abc in it",
        "apiKey": "anything",
        "tokens": 7,
        "urls": ["https://h.test/a.mp4?X-Sig=1", "https://user:pw@h.test/b", 7, None],
    }
    assert redacted_view(settings, full=False)(data) == {
        "note": "with *** in it",
        "apiKey": "***",
        "tokens": 7,
        "urls": ["https://h.test/a.mp4?…", "https://***@h.test/b", 7, None],
    }
    names = {"sb_secret_abc": 2, "https://a.test/b?token=abc": 3, "token": "abc"}
    assert redacted_view(settings, full=False)(names) == {
        "***": 2,
        "https://a.test/b?…": 3,
        "token": "***",
    }
    assert redacted_view(settings, full=True)(data["urls"])[0] == "https://h.test/a.mp4?X-Sig=1"


def test_watching_without_its_package_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    assert run_watched([], None) == 1
    assert capsys.readouterr().err == (
        "✗ --watch needs the package watchfiles: `make dev` installs it\n"
    )
