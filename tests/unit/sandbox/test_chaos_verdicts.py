"""What the ledger of the chaos suite calls a violation, and what it lets pass."""

import time
from typing import Any

import pytest

from sandbox.chaos.incidents import KILLED, REDIS_AWAY, Diary, Incident
from sandbox.chaos.ledger import Asked, Ledger
from sandbox.chaos.objects import film_problem, mark_problem, picture_problem
from sandbox.chaos.purchases import judge, purchases
from sandbox.chaos.supervisor import Exit
from sandbox.producer import Event
from sandbox.providers.drawing.pictures import Picture, render, with_comment
from sandbox.providers.models import Bought, Outcome, Recorded

_MARK = "mark-0123456789ab"


def _events(*names: str, job_id: str = "j") -> list[Event]:
    return [
        Event(name, "q", job_id, at, {"name": "noop"} if name == "added" else {})
        for at, name in enumerate(names)
    ]


def _ledger(*names: str) -> Ledger:
    ledger = Ledger()
    ledger.take(_events(*names))
    return ledger


@pytest.mark.parametrize(
    "names",
    [
        ("added", "waiting", "active", "completed"),
        ("added", "active", "stalled", "waiting", "active", "failed"),
        ("added", "active", "completed", "removed", "added", "active", "completed"),
        ("added", "duplicated", "active", "completed"),
    ],
)
def test_one_end_for_each_addition_is_in_order(names: tuple[str, ...]) -> None:
    ledger = _ledger(*names)
    assert ledger.violations([Asked("q", "j", "noop")]) == []
    assert ledger.open_runs == []


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("added", "active"), "has 0 ends: none"),
        (("added", "active", "completed", "completed"), "has 2 ends: completed, completed"),
        (("added", "active", "failed", "active", "completed"), "has 2 ends: failed, completed"),
        (("added", "active", "completed", "active"), "was taken up again after its end"),
        (("completed",), "completed of j, never added"),
        (("added", "active", "added", "active", "completed"), "has 0 ends: none"),
    ],
)
def test_anything_else_is_a_violation(names: tuple[str, ...], said: str) -> None:
    [violation] = _ledger(*names).violations([])
    assert said in violation.text


def test_an_addition_that_nobody_saw_is_lost() -> None:
    ledger = _ledger("added", "completed")
    [violation] = ledger.violations([Asked("q", "j", "noop"), Asked("q", "j", "noop")])
    assert violation.text == "j was added 2 times, seen 1"


def test_events_may_come_in_parts() -> None:
    ledger, events = Ledger(), _events("added", "active", "completed")
    for count in range(len(events) + 1):
        ledger.take(events[:count])
    assert ledger.violations([]) == []


def _bought(at: float, outcome: Outcome = "answered", status: int = 200) -> tuple[Any, Any]:
    body = {"prompt": f"Scene: {_MARK} a door"}
    record = Recorded(
        number=1, server="api", method="POST", path="/x", body=body, at=at, status=status,
        outcome=outcome, took_s=1,
    )  # fmt: skip
    return Bought(kind="image", vendor="byteplus", what=body["prompt"], at=at + 0.1), record


def _judged(*made: tuple[Any, Any], incidents: tuple[Incident, ...] = ()) -> tuple[Any, Any]:
    items, records = [one[0] for one in made], [one[1] for one in made]
    diary = Diary(incidents=list(incidents))
    return judge(purchases(items, records, []), {_MARK: 1}, diary)


def test_a_picture_bought_once_needs_no_reason() -> None:
    assert _judged(_bought(100)) == ([], [])


def test_a_picture_bought_twice_without_a_reason_is_a_violation() -> None:
    surplus, [violation] = _judged(_bought(100), _bought(110))
    assert surplus == []
    assert f"image of {_MARK} was bought 2 times, 1 unexplained" in violation.text


@pytest.mark.parametrize(
    ("incident", "is_excuse"),
    [
        (Incident(1, KILLED, 100.5, 100.5), True),
        (Incident(1, KILLED, 102, 102), True),  # before its URL was with the job
        (Incident(1, KILLED, 99, 99), False),
        (Incident(1, KILLED, 106, 106), False),
        (Incident(1, REDIS_AWAY, 100.5, 102), False),  # the write waits for Redis
        (Incident(1, REDIS_AWAY, 100.5, 134), True),
    ],
)
def test_what_was_in_flight_may_be_bought_again(incident: Incident, is_excuse: bool) -> None:
    surplus, violations = _judged(_bought(100), _bought(110), incidents=(incident,))
    assert (len(surplus), len(violations)) == ((1, 0) if is_excuse else (0, 1))


def test_one_excuse_is_good_for_one_purchase() -> None:
    killed = Incident(1, KILLED, 100.5, 100.5)
    made = (_bought(100), _bought(110), _bought(120))
    surplus, [violation] = _judged(*made, incidents=(killed,))
    assert len(surplus) == 1
    assert "3 times, 1 unexplained" in violation.text


@pytest.mark.parametrize(("outcome", "status"), [("cut", 200), ("reset", 200), ("answered", 502)])
def test_an_answer_that_the_provider_kept_is_an_excuse(outcome: Outcome, status: int) -> None:
    surplus, violations = _judged(_bought(100, outcome, status), _bought(110))
    assert (len(surplus), violations) == (1, [])


def test_a_picture_that_is_cut_or_of_another_shot_is_found() -> None:
    jpeg = with_comment(render(Picture(64, 36)), f"{_MARK} a door")
    assert picture_problem(jpeg) is None
    assert mark_problem(jpeg, _MARK) is None
    assert "cannot be decoded" in (picture_problem(jpeg[: len(jpeg) // 2]) or "")
    assert f"shows {_MARK} where" in (mark_problem(jpeg, "mark-ba9876543210") or "")


def test_what_is_no_film_is_found() -> None:
    assert "cannot be decoded" in (film_problem(b"no film") or "")


@pytest.mark.parametrize(
    ("code", "is_expected"), [(1, True), (75, False), (70, False), (0, False), (-11, False)]
)
def test_a_worker_may_end_by_itself_only_when_it_finds_no_redis(
    code: int, is_expected: bool
) -> None:
    now = time.time()
    ended = Exit("worker 1", code, now, None, "")
    assert (
        ended.is_expected(Diary(incidents=[Incident(1, REDIS_AWAY, now - 1, now)])) is is_expected
    )
    assert not ended.is_expected(Diary())
