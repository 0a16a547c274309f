"""When a film takes too long for the person who waits for it."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from core.deadline import PATIENCE, STANDSTILL, WaitedTooLong
from core.errors import (
    JobError,
    LockLost,
    ProviderDown,
    RequeueLater,
    RetryableError,
    UnrecoverableError,
)
from core.jobs.context import JobContext
from handlers._film.patience import Patience, forget_patience
from services.supabase.projects import Project
from tests.support.handle import RecordingHandle, context

ADDED = 1_800_000_000.0
OLD, STANDSTILL_S = PATIENCE.total_seconds(), STANDSTILL.total_seconds()
PROJECT = Project(id="p", user_id="u", step_6_status="processing")
FAILED = Project(id="p", user_id="u", step_6_status="failed")
DOWN = ProviderDown("Shotstack", STANDSTILL)


@dataclass
class Clock:
    seconds: float = ADDED

    def __call__(self) -> float:
        return self.seconds


def job(
    progressed_at: float | None = None, *, attempt: int = 1, handle: RecordingHandle | None = None
) -> JobContext[Any]:
    fields = {} if progressed_at is None else {"progressed_at": progressed_at}
    handle = handle or RecordingHandle()
    return context(handle, checkpoint_fields=fields, added_at=ADDED, attempt=attempt)


async def meets(
    ctx: JobContext[Any],
    clock: Clock,
    error: Exception,
    after_s: float,
    progress_s: float | None = None,
) -> None:
    """An attempt that meets `error`, and progress or none; so long after the job was added."""
    async with Patience(ctx, clock) as patience:
        if progress_s is not None:
            clock.seconds = ADDED + progress_s
            await patience.progressed()
        clock.seconds = ADDED + after_s
        raise error


@pytest.mark.parametrize("after_s", [0, OLD - 1])
async def test_a_young_job_waits_as_ever(after_s: float) -> None:
    handle = RecordingHandle()
    with pytest.raises(ProviderDown):
        await meets(job(handle=handle), Clock(), DOWN, after_s)
    assert handle.checkpoints == [{"progressed_at": ADDED}]


@pytest.mark.parametrize("error", [DOWN, RetryableError("away"), OSError("away")])
async def test_an_old_one_that_gets_nowhere_ends(error: Exception) -> None:
    with pytest.raises(WaitedTooLong):
        await meets(job(), Clock(), error, OLD)


async def test_an_old_one_that_has_just_got_on_waits() -> None:
    with pytest.raises(ProviderDown):
        await meets(job(), Clock(), DOWN, OLD, progress_s=OLD - STANDSTILL_S + 1)


async def test_pauses_between_attempts_count_and_attempts_alone_are_no_progress() -> None:
    ctx, clock = job(), Clock()
    for after_s in (200, 400, 600):
        clock.seconds = ADDED + after_s
        with pytest.raises(ProviderDown):
            await meets(ctx, clock, DOWN, after_s)
    clock.seconds = ADDED + OLD
    with pytest.raises(WaitedTooLong):
        async with Patience(ctx, clock):
            pytest.fail("it must buy nothing more")


@pytest.mark.parametrize("error", [RequeueLater(), LockLost(), UnrecoverableError("no luck")])
async def test_what_is_no_waiting_ends_as_it_would(error: JobError) -> None:
    """Another worker goes on where this one stops."""
    with pytest.raises(type(error)) as raised:
        await meets(job(), Clock(), error, OLD)
    assert raised.value is error


async def test_a_cancelled_attempt_keeps_nothing() -> None:
    handle = RecordingHandle()
    with pytest.raises(asyncio.CancelledError):
        async with Patience(job(handle=handle), Clock()):
            raise asyncio.CancelledError
    assert handle.checkpoints == []


async def test_what_a_crash_left_is_no_new_job() -> None:
    handle, clock = RecordingHandle(), Clock()
    crashed = Patience(job(handle=handle), clock)
    crashed.begin(PROJECT)
    await crashed.keep()
    for _ in range(10):
        clock.seconds += 20
        await crashed.progressed()
    assert handle.checkpoints == [{"progressed_at": ADDED + s} for s in (0, 60, 120, 180)]
    clock.seconds = ADDED + OLD
    with pytest.raises(WaitedTooLong):
        async with Patience(job(handle.checkpoints[-1]["progressed_at"]), clock):
            pytest.fail("nothing came for three minutes")


async def test_a_row_that_was_settled_while_the_job_waited_for_its_turn_ends_it() -> None:
    old = Clock(ADDED + OLD)
    with pytest.raises(WaitedTooLong):
        Patience(job(), old).begin(FAILED)
    Patience(job(), Clock()).begin(FAILED)
    Patience(job(), old).begin(FAILED.model_copy(update={"step_6_status": "processing"}))


@pytest.mark.parametrize("progressed_at", [None, ADDED])
async def test_who_retries_a_failed_job_by_hand_begins_anew(progressed_at: float | None) -> None:
    ctx = job(progressed_at)
    await forget_patience(ctx)
    tomorrow = Clock(ADDED + 24 * 3600)
    async with Patience(ctx, tomorrow) as patience:
        patience.begin(FAILED)


async def test_a_job_of_no_known_age_is_young() -> None:
    ctx = context(RecordingHandle(), checkpoint_fields={"progressed_at": ADDED})
    Patience(ctx, Clock(ADDED + 24 * 3600)).check()
