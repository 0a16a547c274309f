from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from bullmq_consumer.schedules.cron import next_due
from bullmq_consumer.schedules.pattern import InvalidPattern
from bullmq_consumer.schedules.time_zone import UnknownZone


def runs(pattern: str, tz: str, after: str, count: int) -> list[str]:
    """So many runs one after the other, in local time with its distance from UTC."""
    zone, found = ZoneInfo(tz), []
    moment = datetime.fromisoformat(after).timestamp()
    for _ in range(count):
        due = next_due(pattern, moment, tz)
        assert due is not None
        moment = due
        found.append(datetime.fromtimestamp(moment, zone).isoformat(timespec="minutes"))
    return found


def test_a_nightly_run_comes_once_a_night_when_clocks_change() -> None:
    assert runs("0 0 * * *", "America/New_York", "2027-03-13T06:00:00+00:00", 3) == [
        "2027-03-14T00:00-05:00",
        "2027-03-15T00:00-04:00",
        "2027-03-16T00:00-04:00",
    ]
    assert runs("0 0 * * *", "Europe/Berlin", "2027-10-29T22:30:00+00:00", 3) == [
        "2027-10-31T00:00+02:00",
        "2027-11-01T00:00+01:00",
        "2027-11-02T00:00+01:00",
    ]


def test_a_skipped_hour_counts_as_the_next() -> None:
    assert runs("30 2 * * *", "America/New_York", "2027-03-13T12:00:00+00:00", 2) == [
        "2027-03-14T03:30-04:00",
        "2027-03-15T02:30-04:00",
    ]


def test_a_named_hour_that_comes_twice_counts_once_and_an_unnamed_one_twice() -> None:
    once = runs("30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00+00:00", 2)
    assert once == ["2027-10-31T02:30+02:00", "2027-11-01T02:30+01:00"]
    assert runs("30 * * * *", "Europe/Berlin", "2027-10-31T00:00:00+00:00", 3) == [
        "2027-10-31T02:30+02:00",
        "2027-10-31T02:30+01:00",
        "2027-10-31T03:30+01:00",
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        *("* * * * * * *", "61 * * * *", "5-1 * * * *", "*/0 * * * *", "a * * * *", "* * 30 2 *"),
        *("* * * foo *", "* * * * 1#6", "* * * * 1,2#2", "* * * * L", "1,,2 * * * *"),
        *("-1 * * * *", "1/ * * * *", "@never", "²  * * * *", "9" * 500 + " * * * *"),
        *(f"0-{'0' * 9}{'9' * 50} * * * *", f"*/{'9' * 500} * * * *"),
        ",".join("*" * 1000) + " * * * *",
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        next_due(pattern, 0, "UTC")


@pytest.mark.parametrize("tz", ["Mars/Phobos", "../../etc/passwd", "/etc/passwd", "UTC+25", "\0"])
def test_what_is_no_time_zone_is_refused(tz: str) -> None:
    with pytest.raises(UnknownZone):
        next_due("* * * * *", 0, tz)


def test_a_day_that_never_comes_is_never_due() -> None:
    assert next_due("0 0 31 4,6 *", 0, "UTC") is None
