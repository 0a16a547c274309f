"""When a provider counts as down, and as back."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from bullmq_consumer.safety.fence import fenced
from core.alert import Alert
from core.errors import ContentRejected, JobError, ProviderDown, ServiceError
from services.net.circuit import Circuit

DOWN = ServiceError("X", "do", "no answer", retryable=True)
REFUSED = ServiceError("X", "do", "bad request", status=400)
REJECTED = ContentRejected("not this prompt")


@dataclass
class Job:
    job_id: str

    async def check(self) -> None:
        return


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit("X", clock)


def call(circuit: Circuit, error: ServiceError | JobError | None = None, job: str = "a") -> str:
    try:
        with fenced(Job(job)), circuit.call():
            if error:
                raise error
    except ProviderDown as down:
        return "not asked" if 0 < down.delay.total_seconds() <= 305 else f"bad {down.delay}"
    except (ServiceError, ContentRejected):
        return "failed"
    return "answered"


def open_it(circuit: Circuit) -> None:
    assert [call(circuit, DOWN, job) for job in "abab"] == ["failed"] * 4
    assert circuit.is_open


def test_a_request_that_is_passing_and_refused_with_400_is_an_answer(circuit: Circuit) -> None:
    late = ServiceError("X", "do", "no picture at your address", status=400, retryable=True)
    assert [call(circuit, late, job) for job in "abababab"] == ["failed"] * 8
    assert not circuit.is_open


def test_it_opens_when_calls_of_several_jobs_fail_in_a_row(circuit: Circuit) -> None:
    open_it(circuit)
    assert call(circuit) == "not asked"


def test_one_job_alone_does_not_open_it(circuit: Circuit) -> None:
    assert [call(circuit, DOWN) for _ in range(9)] == ["failed"] * 9
    assert not circuit.is_open


@pytest.mark.parametrize("between", [None, REFUSED, REJECTED])
def test_any_answer_shows_that_it_is_up(
    circuit: Circuit, between: ServiceError | JobError | None
) -> None:
    for _ in range(3):
        for job in "aba":
            call(circuit, DOWN, job)
        call(circuit, between)
    assert not circuit.is_open


def test_after_the_pause_one_call_tries_and_closes_it(circuit: Circuit, clock: Clock) -> None:
    open_it(circuit)
    clock.now = 15
    with circuit.call():
        assert call(circuit) == "not asked", "one probe at a time"
    assert not circuit.is_open
    assert call(circuit) == "answered"


def test_pauses_double_up_to_five_minutes(circuit: Circuit, clock: Clock) -> None:
    """The job whose call tries for all goes back like the others: it burns no attempt for that.

    While people still wait for their pictures, 12 minutes, no pause is longer than one.
    """
    open_it(circuit)
    for pause_s in (15, 30, *[60] * 12, 120, 240, 300, 300):
        clock.now += pause_s - 1
        assert not is_asked(circuit)
        clock.now += 1
        assert is_asked(circuit)


def is_asked(circuit: Circuit) -> bool:
    asked: list[bool] = []

    def ask() -> None:
        with circuit.call():
            asked.append(True)
            raise DOWN

    with pytest.raises(ProviderDown):
        ask()
    return bool(asked)


def test_a_probe_that_may_have_been_billed_is_an_attempt(circuit: Circuit, clock: Clock) -> None:
    open_it(circuit)
    clock.now = 15
    billed = ServiceError("X", "do", "the answer was lost", retryable=True, billed=True)
    assert call(circuit, billed) == "failed"


def test_a_probe_that_is_cut_off_lets_the_next_one_try(circuit: Circuit, clock: Clock) -> None:
    open_it(circuit)
    clock.now = 15
    with pytest.raises(KeyboardInterrupt), circuit.call():
        raise KeyboardInterrupt
    assert call(circuit) == "answered"


def test_calls_that_began_before_do_not_lengthen_the_pause(circuit: Circuit, clock: Clock) -> None:
    early = circuit.call()
    early.__enter__()
    open_it(circuit)
    clock.now = 14
    assert not early.__exit__(ServiceError, DOWN, None)
    clock.now = 15
    assert call(circuit) == "answered"


def test_a_service_whose_return_matters_is_probed_sooner_than_jobs_come_back(clock: Clock) -> None:
    circuit = Circuit("X", clock, probe_within_s=15)
    open_it(circuit)
    for _ in range(60):
        clock.now += 15
        assert call(circuit, DOWN) == "not asked"
    with pytest.raises(ProviderDown) as down, circuit.call():
        pass
    assert down.value.delay.total_seconds() > 100
    clock.now += 15
    assert call(circuit) == "answered"
    assert not circuit.is_open


UNPAID = ServiceError("X", "do", "the account is overdue", status=403, reach="account")
LIMITED = ServiceError("X", "do", "too many", status=429, retryable=True, reach="limit")


def test_one_answer_about_the_account_opens_it_with_one_alert(clock: Clock) -> None:
    alerts: list[Alert] = []
    circuit = Circuit("X", clock, notify=alerts.append, advice="Pay")
    for pause_s in (15, 30, *[60] * 12, 120, 240):
        assert call(circuit, UNPAID) == "not asked"
        assert not is_admitted(circuit)
        clock.now += pause_s
    [alert] = alerts
    assert alert.text.endswith("refuses this account, jobs that need it wait: the account is "
                               "overdue. Pay")  # fmt: skip
    assert call(circuit) == "answered"
    assert not circuit.is_open


def is_admitted(circuit: Circuit) -> bool:
    try:
        with circuit.call():
            return True
    except ProviderDown:
        return False


def test_a_limit_holds_all_calls_back_for_the_vendors_window(clock: Clock) -> None:
    circuit = Circuit("X", clock, window=timedelta(minutes=1))
    with pytest.raises(ProviderDown, match="X has reached its limit") as down, circuit.call():
        raise LIMITED
    assert 60 <= down.value.delay.total_seconds() <= 65
    clock.now = 59
    assert not is_admitted(circuit)
    clock.now = 60
    with circuit.call():
        assert call(circuit) == "answered", "all are let through at once"


def test_a_call_that_began_before_a_limit_does_not_lift_it(clock: Clock) -> None:
    circuit = Circuit("X", clock, window=timedelta(minutes=1))
    with circuit.call(), pytest.raises(ProviderDown), circuit.call():
        raise LIMITED
    assert not is_admitted(circuit)


def test_a_limit_holds_calls_back_for_as_long_as_it_says(clock: Clock) -> None:
    circuit = Circuit("X", clock, window=timedelta(minutes=1))
    said = ServiceError(
        "X", "do", "later", retryable=True, reach="limit", retry_after=timedelta(seconds=100)
    )
    with pytest.raises(ProviderDown), circuit.call():
        raise said
    clock.now = 99
    assert not is_admitted(circuit)
    clock.now = 100
    assert is_admitted(circuit)


def test_a_limit_of_a_service_without_a_window_is_a_failure_like_others(circuit: Circuit) -> None:
    assert [call(circuit, LIMITED, job) for job in "abab"] == ["failed"] * 4
    assert circuit.is_open


def test_what_may_have_been_billed_is_told_as_it_is(circuit: Circuit) -> None:
    billed = ServiceError("X", "do", "unpaid", status=403, reach="account", billed=True)
    assert call(circuit, billed) == "failed"


def test_a_service_that_comes_back_for_some_calls_only_is_asked_ever_more_rarely(
    clock: Clock,
) -> None:
    """A full database answers each question and refuses each write."""
    circuit = Circuit("X", clock)
    for pause_s in (15, 30, *[60] * 12, 120, 240, 300, 300):
        assert call(circuit, UNPAID) == "not asked"
        clock.now += pause_s - 1
        assert not is_admitted(circuit)
        clock.now += 1
        assert call(circuit) == "answered"
    clock.now += 600
    assert call(circuit, UNPAID) == "not asked"
    clock.now += 15
    assert is_admitted(circuit), "after a good while an outage is a new one"
