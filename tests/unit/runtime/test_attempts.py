"""One job from its payload to its outcome."""

import asyncio
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from bullmq_consumer import Handler, Jobs
from bullmq_consumer.delivery import Delivery
from bullmq_consumer.jobs.dispatcher import Dispatcher
from bullmq_consumer.outcome import Done, Fail, FailLater, Outcome, Retry
from core.alert import Alert, AlertSink, no_alerts
from core.errors import LockLost, NotOwner, RetryableError, ServiceError, UnrecoverableError
from core.jobs.data import JobData, JobResult
from runtime.attempts import Attempts
from services.bundle import Context, VidfabJob
from tests.support.handle import RecordingHandle


class Data(JobData):
    size: int


class Result(JobResult):
    double_size: int


class Double(NamedTuple):
    jobs: Jobs[Context]
    handler: Handler[Data, Context, Result]


def spec(body: Any = None, timeout: timedelta = timedelta(seconds=5)) -> Double:
    jobs: Jobs[Context] = Jobs(exclude_none=True)

    @jobs.job("double", timeout=timeout)
    async def double(job: VidfabJob[Data]) -> Result:
        if body is not None:
            await body(job.deps)
        return Result(double_size=2 * job.data.size)

    return Double(jobs, double)


def dispatcher_of(double: Double, notify: AlertSink = no_alerts) -> Dispatcher:
    loaded = asyncio.Event()
    loaded.set()
    services: Any = None
    return Attempts(double.jobs, services, loaded=loaded, notify=notify).dispatcher()


async def run(
    double: Double,
    data: Any,
    *,
    attempts_made: int = 0,
    name: str = "double",
    settle_waits: int = 0,
    tell: AlertSink = no_alerts,
) -> tuple[Done | Outcome, RecordingHandle]:
    handle = RecordingHandle()
    dispatcher = dispatcher_of(double, tell)
    delivery = Delivery("j1", name, data, attempts_made, attempts=3, failure_waits=settle_waits)
    return await dispatcher.run(delivery, handle, asyncio.Event()), handle


def raising(error: BaseException) -> Any:
    async def body(ctx: Context) -> None:
        raise error

    return body


async def test_a_result_becomes_the_envelope() -> None:
    outcome, handle = await run(spec(), {"userId": "u", "size": 4}, attempts_made=1)
    assert isinstance(outcome, Done)
    assert outcome.returnvalue["data"] == {"doubleSize": 8}
    assert outcome.returnvalue["retryCount"] == 1
    assert handle.progress == [{"percent": 0, "message": "Starting job..."}]


@pytest.mark.parametrize(
    ("progress", "percent"),
    [
        ({"percent": 60, "message": "Saving..."}, 60),
        (None, 0),
        (42, 0),
        ({"percent": "60"}, 0),
        ({"percent": 1e9}, 0),
        ({"percent": True}, 0),
    ],
)
async def test_progress_goes_on_from_the_attempt_before(progress: Any, percent: int) -> None:
    handle = RecordingHandle()
    dispatcher = dispatcher_of(spec())
    delivery = Delivery(
        "j1", "double", {"userId": "u", "size": 4}, 1, attempts=3, progress=progress
    )
    await dispatcher.run(delivery, handle, asyncio.Event())
    assert handle.progress == [{"percent": percent, "message": "Starting job..."}]


async def test_what_became_of_an_attempt_is_in_the_jobs_own_log() -> None:
    _, handle = await run(spec(raising(RetryableError("later"))), {"userId": "u", "size": 1})
    began, ended = handle.lines
    assert began.startswith("Attempt 1 of 3 began at ")
    assert ended.startswith("Attempt 1 of 3 failed after 0.")
    assert ended.endswith(" and is tried again: later")


async def test_a_job_with_nothing_to_tell_has_no_log() -> None:
    _, handle = await run(spec(), {"userId": "u", "size": 1})
    assert handle.lines == []


async def test_what_a_handler_notes_is_in_the_jobs_own_log() -> None:
    async def noting(ctx: Context) -> None:
        await ctx.note("Twice is enough")

    _, handle = await run(spec(noting), {"userId": "u", "size": 1})
    assert [line.split(" after ")[0] for line in handle.lines[1:]] == [
        "Twice is enough",
        "Attempt 1 of 3 completed",
    ]


async def test_an_attempt_that_is_cut_off_is_in_the_jobs_own_log() -> None:
    begun = asyncio.Event()

    async def forever(ctx: Context) -> None:
        begun.set()
        await asyncio.Event().wait()

    handle = RecordingHandle()
    dispatcher = dispatcher_of(spec(forever))
    delivery = Delivery("j1", "double", {"userId": "u", "size": 1}, attempts_made=1, attempts=3)
    attempt = asyncio.create_task(dispatcher.run(delivery, handle, asyncio.Event()))
    await begun.wait()
    attempt.cancel()
    await asyncio.wait([attempt])
    await asyncio.sleep(0)
    assert handle.lines[-1].startswith("Attempt 2 of 3 was cut off after ")


async def test_an_unknown_name_fails_at_once_and_says_what_is_known() -> None:
    outcome, _ = await run(spec(), {}, name="treble")
    assert outcome == Fail("Unknown job name 'treble': known are double")


async def test_a_wrong_payload_fails_at_once() -> None:
    outcome, _ = await run(spec(), {"userId": "u", "size": "x"})
    assert isinstance(outcome, Fail)
    assert "'size'" in outcome.reason


async def test_a_job_that_runs_too_long_is_tried_again() -> None:
    async def forever(ctx: Context) -> None:
        await asyncio.Event().wait()

    slow = spec(forever, timeout=timedelta(milliseconds=10))
    outcome, _ = await run(slow, {"userId": "u", "size": 1})
    assert outcome == Retry("The job ran longer than 0:00:00.010000")


async def test_a_timeout_of_the_handler_itself_is_not_blamed_on_the_limit() -> None:
    outcome, _ = await run(spec(raising(TimeoutError("their end"))), {"userId": "u", "size": 1})
    assert outcome == Retry("TimeoutError: their end")


@pytest.mark.parametrize(
    ("error", "attempts_made", "settled"),
    [
        (RetryableError("later"), 0, []),
        (RetryableError("later"), 2, [("u", "later")]),
        (UnrecoverableError("never"), 0, [("u", "never")]),
    ],
)
async def test_rows_are_settled_after_the_last_failure_only(
    error: Exception, attempts_made: int, settled: list[tuple[str, str]]
) -> None:
    calls: list[tuple[str, str]] = []
    failing = spec(raising(error))

    @failing.handler.on_final_failure
    async def settle(job: VidfabJob[JobData], reason: str) -> None:
        calls.append((job.data.user_id, reason))

    await run(failing, {"userId": "u", "size": 1}, attempts_made=attempts_made)
    assert calls == settled


@pytest.mark.parametrize(("settle_waits", "kind"), [(0, FailLater), (10_000, Fail)])
async def test_a_job_whose_rows_cannot_be_reached_fails_when_they_can(
    settle_waits: int, kind: type[Outcome]
) -> None:
    failing = spec(raising(UnrecoverableError("never")))

    @failing.handler.on_final_failure
    async def settle(job: VidfabJob[JobData], reason: str) -> None:
        raise ServiceError("Supabase", "update", "away", retryable=True)

    outcome, _ = await run(failing, {"userId": "u", "size": 1}, settle_waits=settle_waits)
    assert isinstance(outcome, kind)
    assert outcome.reason == "never"


async def test_rows_are_settled_for_a_payload_that_still_names_them() -> None:
    calls: list[str] = []
    valid = spec()

    @valid.handler.on_final_failure
    async def settle(job: VidfabJob[JobData], reason: str) -> None:
        calls.append(job.data.user_id)

    await run(valid, {"userId": "u"})
    await run(valid, {"userId": "../u"})
    await run(valid, "nonsense")
    assert calls == ["u"]


async def test_a_hook_that_fails_does_not_change_the_outcome() -> None:
    failing = spec(raising(UnrecoverableError("never")))

    @failing.handler.on_final_failure
    async def settle(job: VidfabJob[JobData], reason: str) -> None:
        raise NotOwner("not theirs")

    outcome, _ = await run(failing, {"userId": "u", "size": 1})
    assert outcome == Fail("never")


async def test_the_work_folder_is_there_and_then_gone() -> None:
    seen = []

    async def body(ctx: Context) -> None:
        (ctx.workdir / "file").write_text("x", encoding="utf-8")
        seen.append(ctx.workdir)

    await run(spec(body), {"userId": "u", "size": 1})
    assert not seen[0].exists()


async def test_something_cancelled_inside_is_an_ordinary_failure() -> None:
    async def body(ctx: Context) -> None:
        inner = asyncio.create_task(asyncio.sleep(60))
        inner.cancel()
        await inner

    outcome, _ = await run(spec(body), {"userId": "u", "size": 1})
    assert outcome == Retry("A part of the job was cancelled from within")


async def test_a_cancelled_attempt_stays_cancelled() -> None:
    started = asyncio.Event()

    async def body(ctx: Context) -> None:
        started.set()
        await asyncio.Event().wait()

    attempt = asyncio.create_task(run(spec(body), {"userId": "u", "size": 1}))
    await started.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt


@pytest.mark.parametrize(
    ("error", "attempts_made", "told"),
    [
        (
            UnrecoverableError("never"),
            0,
            ["❌ Failed: double j1 (project p1, attempt 1 of 3): never"],
        ),
        (RetryableError("later"), 2, ["❌ Failed: double j1 (project p1, attempt 3 of 3): later"]),
        (RetryableError("later"), 0, []),
        (LockLost(), 2, []),
    ],
)
async def test_failures_for_good_are_told(
    error: Exception, attempts_made: int, told: list[str]
) -> None:
    alerts: list[Alert] = []
    data = {"userId": "u", "projectId": "p1", "size": 1}
    await run(spec(raising(error)), data, attempts_made=attempts_made, tell=alerts.append)
    assert [alert.text for alert in alerts] == told
    assert all(alert.kind == f"double {error}" and alert.trace is None for alert in alerts)


async def test_an_error_that_nobody_foresaw_is_told_with_its_trace() -> None:
    alerts: list[Alert] = []
    failing = spec(raising(ZeroDivisionError("a defect")))
    await run(failing, {"userId": "u", "size": 1}, attempts_made=2, tell=alerts.append)
    [alert] = alerts
    assert alert.trace is not None
    assert alert.trace.stack[-1].name == "body"
    assert all(frame.locals is None for frame in alert.trace.stack)


async def test_jobs_that_bullmq_fails_by_itself_are_told() -> None:
    alerts: list[Alert] = []
    dispatcher = dispatcher_of(spec(), alerts.append)
    delivery = Delivery("j1", "double", {"userId": "u"}, 1, attempts=3)
    await dispatcher.on_failed(delivery, RecordingHandle(), "job stalled too often")
    assert [alert.text for alert in alerts] == [
        "❌ Failed: double j1 (attempt 2 of 3): job stalled too often"
    ]
