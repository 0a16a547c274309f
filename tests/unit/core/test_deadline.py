"""When a job is given up."""

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from core.deadline import (
    Deadline,
    WaitedTooLong,
    is_of_newer_request,
    last_progress,
    may_wait,
    observed,
)
from core.people import Cause

MINUTE_S = 60.0


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def deadline(clock: Clock, age_min: float, quiet_min: float | None = None) -> Deadline:
    progressed_at = 0.0 if quiet_min is None else clock() - quiet_min * MINUTE_S
    return Deadline(clock() - age_min * MINUTE_S, progressed_at, now=clock)


@pytest.mark.parametrize(
    ("age_min", "quiet_min", "is_over"),
    [(11.9, None, False), (12, None, True), (12, 2.9, False), (12, 3, True), (60, 1, False)],
)
def test_a_job_is_given_up_when_it_is_old_and_nothing_comes(
    clock: Clock, age_min: float, quiet_min: float | None, is_over: bool
) -> None:
    assert deadline(clock, age_min, quiet_min).is_over is is_over


def test_two_hundred_shots_may_take_an_hour(clock: Clock) -> None:
    found = deadline(clock, 0)
    for _ in range(200):
        clock.now += 18
        found.check()
        found.progressed()
    clock.now += 180
    with pytest.raises(WaitedTooLong):
        found.check()


def test_what_was_given_up_stays_so(clock: Clock) -> None:
    found = deadline(clock, 13)
    assert found.give_up_if_over()
    found.progressed()
    assert found.is_over


def test_a_look_at_it_gives_nothing_up(clock: Clock) -> None:
    found = deadline(clock, 13)
    assert found.is_over
    assert not found.is_given_up
    found.progressed()
    assert not found.is_over


def test_the_error_can_be_sent_to_another_process() -> None:
    sent = pickle.loads(pickle.dumps(WaitedTooLong()))
    assert (str(sent), sent.cause) == (str(WaitedTooLong()), Cause.TOO_LONG)


@pytest.mark.parametrize(
    ("checkpoint", "at"),
    [
        ({}, 0.0),
        ({"progressed_at": 5}, 5.0),
        ({"bought": {"1": {"at": 7.5}, "2": {"at": 6}}, "progressed_at": 5}, 7.5),
        ({"bought": ["x"], "progressed_at": "x"}, 0.0),
        ({"bought": {"1": "x", "2": {}}}, 0.0),
    ],
)
def test_progress_is_in_the_checkpoint(checkpoint: dict[str, Any], at: float) -> None:
    assert last_progress(checkpoint) == at


@pytest.mark.parametrize(
    ("created_at", "added_at", "is_newer"),
    [(106, 100, True), (105, 100, False), (40, 100, False), (None, 100, False), (106, None, False)],
)
def test_rows_of_a_newer_request_came_after_the_job(
    created_at: float | None, added_at: float | None, is_newer: bool
) -> None:
    at = None if created_at is None else datetime.fromtimestamp(created_at, UTC)
    assert is_of_newer_request(at, added_at) is is_newer


def test_calls_do_not_wait_beyond_it(clock: Clock) -> None:
    assert may_wait(1e9)
    with observed(deadline(clock, 11.5)):
        assert may_wait(29)
        assert not may_wait(31)
    assert may_wait(1e9)
