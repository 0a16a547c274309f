"""What becomes of a job after an exception."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import (
    ContentRejected,
    HandBack,
    InvalidData,
    ProviderDown,
    RetryableError,
    ServiceError,
    UnsafeUrl,
)
from runtime.outcome import Fail, Outcome, Retry, Return, decide


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def service_error(retryable: bool) -> ServiceError:
    return ServiceError("X", "do", "X is down", retryable=retryable)


def returned(days: int = 0) -> Return:
    return Return(timedelta(days), "handed back to the queue")


@pytest.mark.parametrize(
    ("error", "early", "last"),
    [
        (RetryableError("later"), Retry("later"), Fail("later")),
        (InvalidData("'a': missing"), Fail("'a': missing"), Fail("'a': missing")),
        (UnsafeUrl("no"), Fail("no"), Fail("no")),
        (ContentRejected("no"), Fail("no"), Fail("no")),
        (service_error(True), Retry("X is down"), Fail("X is down")),
        (service_error(False), Fail("X is down"), Fail("X is down")),
        (HandBack(), returned(), returned()),
        (HandBack(timedelta(5)), returned(5), returned(5)),
        (ProviderDown("X", timedelta(9)), *2 * (Return(timedelta(9), "X is down"),)),
        (ValueError("bug"), Retry("ValueError: bug"), Fail("ValueError: bug")),
        (TimeoutError(), Retry("TimeoutError"), Fail("TimeoutError")),
        (
            ExceptionGroup("g", [ExceptionGroup("h", [InvalidData("deep")])]),
            Fail("deep"),
            Fail("deep"),
        ),
    ],
)
def test_outcomes(error: BaseException, early: Outcome, last: Outcome) -> None:
    assert decide(error, is_last_attempt=False) == early
    assert decide(error, is_last_attempt=True) == last


def test_a_job_that_was_handed_back_too_often_burns_an_attempt() -> None:
    down = ProviderDown("X", timedelta(9))
    assert decide(down, is_last_attempt=False, may_return=False) == Retry("X is down")
    assert decide(down, is_last_attempt=True, may_return=False) == Fail("X is down")
    assert decide(HandBack(), is_last_attempt=True, may_return=False) == returned(), "a stop"


def test_a_message_that_cannot_be_made_still_gives_a_reason() -> None:
    assert decide(Unreadable(), is_last_attempt=True) == Fail(
        "Unreadable: Unreadable without a readable message"
    )


@given(st.text(st.characters(codec=None)))
def test_a_reason_is_one_storable_line(text: str) -> None:
    outcome = decide(RetryableError(text), is_last_attempt=False)
    assert isinstance(outcome, Retry)
    assert 0 < len(outcome.reason) <= 500
    outcome.reason.encode("utf-8")
    assert outcome.reason.splitlines() == [outcome.reason]
