"""Tables on wide and narrow terminals."""

import json

import pytest

from commands import output
from commands.output import Output

ROWS = [("storyboard_1", "2 h", "找不到项目 " * 30), ("b", "1 min", "short")]


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    Output(as_json=False).table(("id", "age", "reason"), ROWS)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_the_last_column_is_cut_to_the_width(capsys: pytest.CaptureFixture[str]) -> None:
    heading, _, first, second = shown(capsys)
    assert heading.split() == ["id", "age", "reason"]
    assert first.startswith("storyboard_1   2 h     找不到项目")
    assert first.endswith("…")
    assert second == "b              1 min   short"


def test_on_a_narrow_terminal_ids_stay_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_WIDTH_UNKNOWN", 24)
    assert shown(capsys) == [
        "storyboard_1  2 h",
        "    找不到项目 找不到项…",
        "b  1 min",
        "    short",
    ]


def test_numbers_keep_their_names_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_WIDTH_UNKNOWN", 24)
    rows = [("va_compose_video", 12, 0, 3), ("all jobs", 12, 0, 3)]
    Output(as_json=False).table(("", "prioritized", "active", "failed"), rows, numbers=True)
    assert capsys.readouterr().out.splitlines() == [
        "va_compose_video",
        "    12 prioritized, 3 failed",
        "all jobs",
        "    12 prioritized, 3 failed",
    ]


def test_a_cell_makes_no_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).table(("id", "name"), [("a\nforged   done", "b\x1b[2J")])
    assert capsys.readouterr().out.splitlines()[-1].rstrip() == "a·forged   done   b·[2J"


def test_json_steers_no_terminal_and_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    text = "红\x1b[31m \x9b2J \u202etxt \ud800 \U000e0001"
    Output(as_json=True).document({"text": text})
    out = capsys.readouterr().out
    assert "红" in out
    assert out.replace("\n", "").isprintable()
    assert json.loads(out) == {"text": text}
