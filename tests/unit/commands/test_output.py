"""Tables on wide and narrow terminals."""

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
