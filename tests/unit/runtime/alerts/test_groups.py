"""What goes out by itself, and what is summed up."""

from core.alert import Alert
from runtime.alerts.groups import AlertGroups


def alert(kind: str, text: str = "it failed") -> Alert:
    return Alert(kind, text, "error")


def test_the_first_of_a_kind_goes_out_the_others_are_counted() -> None:
    groups = AlertGroups()
    assert groups.add(alert("a")) == "a"
    assert [groups.add(alert("a", f"job {number} failed")) for number in range(137)] == [None] * 137
    notice = groups.sum_up("a")
    assert notice is not None
    assert notice.text == "… and 137 more like it in the last minute, e.g. job 136 failed"
    assert notice.more == 137


def test_a_kind_that_goes_on_is_told_once_a_minute() -> None:
    groups = AlertGroups()
    groups.add(alert("a"))
    for _ in range(3):
        groups.add(alert("a"))
        groups.add(alert("a"))
        notice = groups.sum_up("a")
        assert notice is not None
        assert notice.more == 2
    assert groups.sum_up("a") is None
    assert groups.sum_up("a") is None  # its clock may come after the end
    assert groups.add(alert("a")) == "a"


def test_kinds_do_not_mix() -> None:
    groups = AlertGroups()
    assert [groups.add(alert(kind)) for kind in ("a", "b", "a")] == ["a", "b", None]
    assert groups.sum_up("b") is None
    assert groups.names() == ["a"]


def test_very_many_kinds_are_one() -> None:
    groups = AlertGroups()
    told = [groups.add(alert(f"kind {number}")) for number in range(10_000)]
    assert len([name for name in told if name is not None]) == 21
    assert len(groups.names()) == 21
    notice = groups.sum_up("*")
    assert notice is not None
    assert notice.text.startswith("… and 9979 more of other kinds in the last minute")
