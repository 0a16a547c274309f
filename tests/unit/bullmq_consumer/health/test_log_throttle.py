"""An error that comes again and again: few lines, and none that matters is missing."""

import pytest
from redis.exceptions import ReadOnlyError, ResponseError

from bullmq_consumer.health.log_throttle import LogThrottle


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


READONLY = ReadOnlyError("You can't write against a read only replica.")
IN_SCRIPT = ResponseError("Error running script: @user_script:14: -READONLY You can't write")


def test_the_first_is_told_then_one_a_minute_then_the_end(lines: list[str]) -> None:
    clock = Clock()
    error = LogThrottle("BullMQ reports", clock)
    for _ in range(1441):
        error.failure(IN_SCRIPT)
        clock.now += 0.125
    error.recovered()
    error.recovered()
    advice = "it is a read-only replica, the address must name the primary"
    assert lines[0] == f"WARNING BullMQ reports: {IN_SCRIPT} ({advice})"
    assert lines[1].endswith(", 481 errors in 60 s")
    assert [line.partition(" ")[0] for line in lines] == ["WARNING"] * 4 + ["INFO"]
    assert lines[-1] == "INFO Redis works again after 1441 errors in 180 s"


def test_another_kind_is_told_at_once(lines: list[str]) -> None:
    error = LogThrottle("BullMQ reports", Clock())
    for one in (ResponseError("OOM command not allowed"), ValueError("x"), ResponseError("OOM !")):
        error.failure(one)
    assert len(lines) == 2
    assert "raise maxmemory" in lines[0]
    assert lines[1] == "WARNING BullMQ reports: x"


def test_what_comes_and_goes_is_no_flood_either(lines: list[str]) -> None:
    clock = Clock()
    error = LogThrottle("BullMQ reports", clock)
    for _ in range(119):
        error.failure(READONLY)
        error.recovered()
        clock.now += 1
    assert len(lines) == 4
    assert lines[2].endswith(", 60 errors in 59 s")


def test_the_clients_own_errors_count_as_what_they_are(lines: list[str]) -> None:
    error = LogThrottle("BullMQ reports", Clock())
    error.failure(IN_SCRIPT)
    error.failure(READONLY)
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("max requests limit exceeded. Limit: 500000, Usage: 500000", "this month's commands"),
        ("max daily request limit exceeded. Limit: 10000, Usage: 10000", "this day's commands"),
        ("max concurrent connections exceeded", "as many connections as its plan allows"),
        ("max request size exceeded. Limit: 1 bytes", "put less into the data and the results"),
    ],
)
def test_the_limits_of_a_plan_have_their_advice(lines: list[str], said: str, advice: str) -> None:
    """Upstash's words: they begin with ERR, which the client removes."""
    error = LogThrottle("BullMQ reports", Clock())
    error.failure(ResponseError(said))
    error.failure(ResponseError("something else"))
    assert lines[0].startswith(f"WARNING BullMQ reports: {said} (")
    assert advice in lines[0]
    assert lines[1] == "WARNING BullMQ reports: something else"


def test_success_alone_says_nothing(lines: list[str]) -> None:
    LogThrottle("BullMQ reports").recovered()
    assert lines == []


def test_a_long_message_is_one_short_line(lines: list[str]) -> None:
    LogThrottle("BullMQ reports").failure(ResponseError("a\nb " * 1000))
    LogThrottle("BullMQ reports").failure(ResponseError())
    assert len(lines[0]) < 350
    assert "\n" not in lines[0]
    assert lines[1] == "WARNING BullMQ reports: ResponseError"
