"""What becomes of a job after an exception."""

import errno
import socket
import ssl
from datetime import timedelta

import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullmq_consumer.machine import MachineUnfit
from bullmq_consumer.outcome import Fail, Outcome, Requeue, Retry, decide
from core.errors import (
    ContentRejected,
    InvalidData,
    LockLost,
    ProviderDown,
    RequeueLater,
    RetryableError,
    ServiceError,
    UnsafeUrl,
)


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def service_error(retryable: bool) -> ServiceError:
    return ServiceError("X", "do", "X is down", retryable=retryable)


def returned(days: int = 0) -> Requeue:
    return Requeue(timedelta(days), "handed back to the queue")


@pytest.mark.parametrize(
    ("error", "early", "last"),
    [
        (RetryableError("later"), Retry("later"), Fail("later")),
        (InvalidData("'a': missing"), Fail("'a': missing"), Fail("'a': missing")),
        (UnsafeUrl("no"), Fail("no"), Fail("no")),
        (ContentRejected("no"), Fail("no"), Fail("no")),
        (service_error(True), Retry("X is down"), Fail("X is down")),
        (service_error(False), Fail("X is down"), Fail("X is down")),
        (RequeueLater(), returned(), returned()),
        (RequeueLater(timedelta(5)), returned(5), returned(5)),
        (ProviderDown("X", timedelta(9)), *2 * (Requeue(timedelta(9), "X is down"),)),
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
    assert decide(down, is_last_attempt=True, snoozes=19) == Requeue(timedelta(9), "X is down")
    assert decide(down, is_last_attempt=False, snoozes=20) == Retry("X is down")
    assert decide(down, is_last_attempt=True, snoozes=20) == Fail("X is down")


def test_what_a_stop_returns_is_told_from_what_asks_for_it() -> None:
    """Else a job that asks often would fail at a stop, by no fault of its own."""
    assert decide(RequeueLater(), is_last_attempt=True, snoozes=19) == returned()
    assert isinstance(decide(RequeueLater(), is_last_attempt=True, snoozes=20), Fail)
    stop = decide(RequeueLater(), is_last_attempt=True, snoozes=20, is_stopping=True)
    assert stop == Requeue(timedelta(0), "handed back to the queue", is_stop=True)
    delayed = decide(RequeueLater(timedelta(9)), is_last_attempt=True, snoozes=20, is_stopping=True)
    assert isinstance(delayed, Fail)


def test_a_limit_of_the_whole_queue_is_handed_on_and_bounded_too() -> None:
    limiting = RequeueLater(timedelta(9), "too many requests", whole_queue=True)
    limited = Requeue(timedelta(9), "too many requests", whole_queue=True)
    assert decide(limiting, is_last_attempt=True, snoozes=19) == limited
    assert decide(limiting, is_last_attempt=False, snoozes=20) == Retry("too many requests")
    assert decide(limiting, is_last_attempt=True, snoozes=20) == Fail("too many requests")
    with pytest.raises(ValueError, match="positive delay"):
        RequeueLater(whole_queue=True)


def _wrapped(error: BaseException, *wraps: Exception) -> BaseException:
    for wrap in wraps:
        wrap.__cause__ = error
        error = wrap
    return error


FULL = OSError(errno.ENOSPC, "No space left on device")
NO_DESCRIPTOR = OSError(errno.EMFILE, "Too many open files")


@pytest.mark.parametrize(
    ("error", "lack"),
    [
        (FULL, "its work disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "its work disk is full"),
        (OSError(errno.EROFS, "Read-only file system"), "its work disk is read-only"),
        (OSError(errno.ENFILE, "Too many open files in system"), "it has too many open files"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "it has no memory left"),
        (MemoryError(), "it has no memory left"),
        (MachineUnfit("no work folder can be made"), "no work folder can be made"),
        (ExceptionGroup("g", [ValueError(), FULL]), "its work disk is full"),
        (
            _wrapped(NO_DESCRIPTOR, httpcore.ConnectError(), httpx.ConnectError("")),
            "it has too many open files",
        ),
        (
            _wrapped(NO_DESCRIPTOR, service_error(True), ProviderDown("X", timedelta(9))),
            "it has too many open files",
        ),
        (
            _wrapped(ExceptionGroup("all addresses", [NO_DESCRIPTOR]), OSError("none left")),
            "it has too many open files",
        ),
    ],
)
def test_what_the_machine_lacks_is_no_failure_of_the_job(error: BaseException, lack: str) -> None:
    reason = f"The worker's machine is unfit for jobs: {lack}"
    for is_last_attempt in (False, True):
        outcome = decide(error, is_last_attempt=is_last_attempt)
        assert outcome == Requeue(timedelta(seconds=5), reason)


def test_a_job_that_meets_it_alone_comes_back_ever_later_and_not_for_ever() -> None:
    def delay_s(snoozes: int) -> float:
        outcome = decide(FULL, is_last_attempt=True, snoozes=snoozes)
        assert isinstance(outcome, Requeue)
        return outcome.delay.total_seconds()

    assert [delay_s(number) for number in (0, 1, 2, 6, 7, 19)] == [5, 10, 20, 320, 600, 600]
    reason = "The worker's machine is unfit for jobs: its work disk is full"
    assert decide(FULL, is_last_attempt=True, snoozes=20) == Fail(reason)


def test_no_attempt_is_burnt_while_the_machine_lacks_it_without_this_job_too() -> None:
    outcome = decide(FULL, is_last_attempt=True, snoozes=999, is_unfit=True)
    assert isinstance(outcome, Requeue)
    assert outcome.delay == timedelta(minutes=10)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ECONNREFUSED, "Connection refused"),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        ssl.SSLSyscallError(errno.EIO, "Some I/O error occurred"),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        RuntimeError("cannot schedule new futures after shutdown"),
        _wrapped(FULL, LockLost()),
    ],
)
def test_other_errors_are_not_the_machines(error: BaseException) -> None:
    assert isinstance(decide(error, is_last_attempt=False), Retry)


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
