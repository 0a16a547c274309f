from bullmq_consumer.inspect.queue import in_last_hour

MINUTE = 29_000_000
POINTS = ["5", "0", *["1"] * 58]


def last_ms(minutes_ago: int) -> str:
    return str((MINUTE - minutes_ago) * 60_000 + 30_000)


def test_nothing_ended_yet() -> None:
    assert in_last_hour(None, None, None, [], MINUTE) == 0


def test_the_current_minute_counts_too() -> None:
    assert in_last_hour("3", "0", last_ms(0), [], MINUTE) == 3
    assert in_last_hour("10", "7", last_ms(0), POINTS, MINUTE) == 3 + 5 + 57


def test_minutes_without_jobs_push_old_ones_out() -> None:
    assert in_last_hour("10", "7", last_ms(57), POINTS, MINUTE) == 3 + 5 + 0
    assert in_last_hour("10", "7", last_ms(58), POINTS, MINUTE) == 3 + 5
    assert in_last_hour("10", "7", last_ms(59), POINTS, MINUTE) == 3


def test_an_hour_without_jobs_is_empty() -> None:
    assert in_last_hour("10", "7", last_ms(60), POINTS, MINUTE) == 0
