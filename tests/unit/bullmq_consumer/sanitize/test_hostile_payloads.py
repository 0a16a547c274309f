"""Each hostile payload fails in validation with its sentence, and nothing else is raised."""

import asyncio
from typing import Any

import pytest

from bullmq_consumer.delivery import Delivery, delivery_of
from bullmq_consumer.outcome import Done, Fail
from bullmq_consumer.protocol.job import job_of
from bullmq_consumer.sanitize.fields import sanitized
from core.jobs.registry import discover
from runtime.attempts import Attempts
from services.bundle import Services
from tests.support.handle import RecordingHandle
from tests.support.hostile import Hostile, hostile
from tests.support.logs import settings_of

CASES = hostile()


class Reached(Exception):
    """Validation let it pass."""


async def reached(*_: Any) -> Any:
    raise Reached


def attempts() -> Attempts:
    """Of the worker's own handlers, none of which is called."""
    loaded = asyncio.Event()
    loaded.set()
    return Attempts(discover(), Services(settings_of()), loaded=loaded)


@pytest.fixture(autouse=True)
def unreached(monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in discover().entries().values():
        monkeypatch.setattr(entry.registered, "function", reached)
        monkeypatch.setattr(entry.registered, "final_failure", None)


def delivery(case: Hostile) -> Delivery:
    """As the worker reads it."""
    good = {"name": case.name.encode(), "opts": b'{"attempts":3}', "timestamp": b"1700000000000"}
    raw = {
        name: value.decode(errors="replace")
        for name, value in {**good, **case.hash()}.items()
        if value is not None
    }
    safe = sanitized(raw)
    job = job_of(safe.fields, safe.options, safe.data, "1", "w:1", 0.0)
    job.fields, job.fault = raw, safe.fault
    return delivery_of(job)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 100
    assert {case.name for case in CASES} >= discover().entries().keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_a_hostile_payload_fails_in_validation(case: Hostile) -> None:
    outcome = await attempts().dispatcher().run(delivery(case), RecordingHandle(), asyncio.Event())
    assert not isinstance(outcome, Done)
    if case.stage == "run" or case.verdict == "completed":
        assert "Reached" in outcome.reason
        return
    if case.id == "field-defa":
        return  # the consumer does not run it at all
    assert isinstance(outcome, Fail), outcome
    assert case.says in outcome.reason
    assert outcome.reason.isprintable()
    assert len(outcome.reason) <= 500
