"""What an application puts around its attempts: scope, middleware, observer, failure hooks."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from bullmq_consumer import InvalidJobData, Job, JobFields, Jobs, Observer, UnrecoverableError
from bullmq_consumer.delivery import Delivery
from bullmq_consumer.jobs.dispatcher import Dispatcher
from bullmq_consumer.outcome import Done, Fail, FailLater, Outcome, Retry
from tests.support.handle import RecordingHandle


class Subject(BaseModel):
    user: str


class Data(Subject):
    size: int


class Result(BaseModel):
    user: str
    note: str | None = None


GOOD = {"user": "u", "size": 1}
A_DAY = 148
"""So many tries of a hook: 15.5 min while they become rarer, then one in 10 min."""


def jobs_of(body: Callable[[Job[Data, Any]], Awaitable[None]] | None = None) -> Jobs[Any]:
    jobs: Jobs[Any] = Jobs()

    @jobs.job("x")
    async def handler(job: Job[Data, Any]) -> Result:
        if body is not None:
            await body(job)
        return Result(user=job.data.user)

    return jobs


def raising(error: BaseException) -> Callable[[Job[Data, Any]], Awaitable[None]]:
    async def body(job: Job[Data, Any]) -> None:
        raise error

    return body


class Noting(Observer[Any]):
    def __init__(self) -> None:
        self.seen: list[tuple[Any, Outcome | Done, Exception | None]] = []
        self.hooks: list[str] = []

    async def ended(
        self, job: JobFields[Any, Any], outcome: Done | Outcome, error: Exception | None
    ) -> None:
        self.seen.append((job.deps, outcome, error))

    def hook_failed(self, job: JobFields[Any, Any], error: Exception) -> None:
        self.hooks.append(str(error))


async def run(
    dispatcher: Dispatcher, data: Any = GOOD, name: str = "x", **fields: Any
) -> Done | Outcome:
    delivery = Delivery("1", name, data, fields.pop("attempts_made", 0), attempts=2, **fields)
    return await dispatcher.run(delivery, RecordingHandle(), asyncio.Event())


# -- scope and observer -----------------------------------------------------------------------


async def test_a_handler_gets_what_its_attempts_scope_yields() -> None:
    seen: list[Any] = []

    @asynccontextmanager
    async def scope(job: Job[Any, Any]) -> AsyncGenerator[str]:
        seen.append(f"in {job.deps}")
        yield "session"
        seen.append("out")

    async def body(job: Job[Data, Any]) -> None:
        seen.append(job.deps)

    observer = Noting()
    dispatcher = Dispatcher(jobs_of(body).entries(), "pool", scope=scope, observer=observer)
    outcome = await run(dispatcher)
    assert seen == ["in pool", "session", "out"]
    assert observer.seen == [("session", outcome, None)]


@pytest.mark.parametrize(
    ("attempts_made", "failure_waits", "kind"), [(0, 0, Retry), (1, 0, FailLater), (1, A_DAY, Fail)]
)
async def test_an_attempt_without_its_scope_is_tried_again_and_its_failure_waits(
    attempts_made: int, failure_waits: int, kind: type[Outcome]
) -> None:
    @asynccontextmanager
    async def scope(job: Job[Any, Any]) -> AsyncGenerator[str]:
        raise ConnectionError("the pool is away")
        yield ""

    dispatcher = Dispatcher(jobs_of().entries(), scope=scope)
    outcome = await run(dispatcher, attempts_made=attempts_made, failure_waits=failure_waits)
    assert isinstance(outcome, kind)
    assert outcome.reason == "ConnectionError: the pool is away"
    delivery = Delivery("1", "x", GOOD, attempts_made, attempts=2, failure_waits=failure_waits)
    failed = await dispatcher.on_failed(delivery, RecordingHandle(), "stalled")
    assert isinstance(failed, Fail if failure_waits else FailLater)
    assert failed.reason == "stalled"


def scope_that_breaks_at_its_end(job: Job[Any, Any]) -> AbstractAsyncContextManager[str]:
    @asynccontextmanager
    async def scope() -> AsyncGenerator[str]:
        yield "session"
        raise ConnectionError("the pool is away")

    return scope()


async def test_a_scope_that_breaks_after_a_failure_has_the_job_fail_later() -> None:
    """Its hook has run: an attempt more would pay for the work again."""
    observer = Noting()
    dispatcher = Dispatcher(
        jobs_of(raising(UnrecoverableError("no"))).entries(),
        scope=scope_that_breaks_at_its_end,
        observer=observer,
    )
    outcome = await run(dispatcher)
    assert isinstance(outcome, FailLater)
    assert outcome.reason == "no"
    assert [seen for _, seen, _ in observer.seen] == [outcome]
    last = await run(dispatcher, failure_waits=A_DAY)
    assert isinstance(last, Fail)
    assert last.trace


async def test_no_success_is_told_of_an_attempt_whose_scope_breaks() -> None:
    observer = Noting()
    dispatcher = Dispatcher(
        jobs_of().entries(), scope=scope_that_breaks_at_its_end, observer=observer
    )
    outcome = await run(dispatcher)
    assert isinstance(outcome, Retry)
    assert [seen for _, seen, _ in observer.seen] == [outcome]


async def test_a_scope_that_refuses_a_job_for_good_skips_no_hook() -> None:
    @asynccontextmanager
    async def scope(job: Job[Any, Any]) -> AsyncGenerator[str]:
        raise UnrecoverableError("no such tenant")
        yield ""

    observer = Noting()
    jobs = public_jobs(ValueError(), [])
    dispatcher = Dispatcher(jobs.entries(), "pool", scope=scope, observer=observer)
    outcome = await run(dispatcher)
    assert isinstance(outcome, FailLater)
    assert [seen for _, seen, _ in observer.seen] == [outcome]
    delivery = Delivery("1", "x", GOOD, 0, attempts=2, failure_waits=A_DAY)
    failed = await dispatcher.on_failed(delivery, RecordingHandle(), "stalled")
    assert failed == Fail("stalled", public="x of pool: UnrecoverableError, stalled")
    assert len(observer.seen) == 2


@pytest.mark.parametrize("is_in_hook", [True, False])
async def test_a_stop_runs_no_handler_anew_whose_attempt_is_over(is_in_hook: bool) -> None:
    """Neither in the failure hook, nor while the observer hears of it."""
    reached = asyncio.Event()

    async def block() -> None:
        reached.set()
        await asyncio.Event().wait()

    class Slow(Observer[Any]):
        async def ended(self, *_: Any) -> None:
            if not is_in_hook:
                await block()

    jobs: Jobs[Any] = Jobs()

    @jobs.job("x")
    async def handler(job: Job) -> None:
        raise UnrecoverableError("no")

    @handler.on_final_failure
    async def gave_up(job: Job, reason: str) -> None:
        if is_in_hook:
            await block()

    running = asyncio.create_task(run(Dispatcher(jobs.entries(), observer=Slow())))
    await asyncio.wait_for(reached.wait(), 10)
    running.cancel()
    outcome = await asyncio.wait_for(running, 10)
    assert isinstance(outcome, FailLater)
    assert outcome.reason == "no"


async def test_the_observer_hears_why() -> None:
    observer, error = Noting(), UnrecoverableError("no")
    outcome = await run(Dispatcher(jobs_of(raising(error)).entries(), observer=observer))
    assert observer.seen == [(None, outcome, error)]


async def test_an_observer_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Observer[Any]):
        async def ended(self, *_: Any) -> None:
            raise ZeroDivisionError

    outcome = await run(Dispatcher(jobs_of().entries(), observer=Broken()))
    assert isinstance(outcome, Done)
    assert "The observer of x 1 failed" in caplog.text


async def test_what_is_kept_of_an_error_is_scrubbed() -> None:
    failing = raising(ValueError("the key is s3cret"))
    dispatcher = Dispatcher(
        jobs_of(failing).entries(), scrub=lambda text: text.replace("s3cret", "***")
    )
    outcome = await run(dispatcher)
    assert isinstance(outcome, Retry)
    assert outcome.reason == "ValueError: the key is ***"
    assert "s3cret" not in outcome.trace


async def test_nor_does_one_that_fails_over_a_hook_or_a_schedule(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Observer[Any]):
        def hook_failed(self, *_: Any) -> None:
            raise ZeroDivisionError

        def schedule_broke(self, *_: Any) -> None:
            raise ZeroDivisionError

    jobs: Jobs[Any] = Jobs()

    @jobs.job("x")
    async def handler(job: Job) -> None:
        raise UnrecoverableError("no")

    @handler.on_final_failure
    async def gave_up(job: Job, reason: str) -> None:
        raise ConnectionError("away")

    dispatcher = Dispatcher(jobs.entries(), observer=Broken())
    assert isinstance(await run(dispatcher), FailLater)
    dispatcher.schedule_broke("nightly", "no time zone")
    assert "The observer of x 1 failed" in caplog.text
    assert "The observer of schedule nightly failed" in caplog.text


# -- middleware -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "raised"),
    [("x", {"user": "u"}, InvalidJobData), ("y", GOOD, UnrecoverableError), ("x", GOOD, None)],
)
async def test_middleware_surrounds_what_no_handler_is_called_for(
    name: str, data: Any, raised: type[Exception] | None
) -> None:
    seen: list[Any] = []
    jobs = jobs_of()

    @jobs.middleware
    async def noting(job: JobFields[Any, Any], call: Callable[[], Awaitable[Any]]) -> Any:
        seen.append(job.data)
        try:
            return await call()
        except Exception as error:
            seen.append(type(error))
            raise

    dispatcher = Dispatcher(jobs.entries(), middleware=jobs.own_middleware, unknown="fail")
    await run(dispatcher, data, name)
    assert seen == [data, *([raised] if raised else [])]


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (asyncio.CancelledError(), "A part of the job was cancelled from within"),
        (SystemExit(3), "The handler raised SystemExit"),
    ],
)
async def test_what_ends_tasks_and_programs_ends_the_attempt_alone(
    raised: BaseException, reason: str
) -> None:
    """In the middleware and in the scope, as in the handler."""
    jobs = jobs_of()

    @asynccontextmanager
    async def scope(job: Job[Any, Any]) -> AsyncGenerator[str]:
        raise raised
        yield ""

    @jobs.middleware
    async def broken(job: JobFields[Any, Any], call: Callable[[], Awaitable[Any]]) -> Any:
        await call()
        raise raised

    for dispatcher in (Dispatcher(jobs.entries()), Dispatcher(jobs_of().entries(), scope=scope)):
        assert await run(dispatcher) == Retry(reason)
        failed = await run(dispatcher, attempts_made=1)
        assert isinstance(failed, Fail | FailLater)
        assert failed.reason == reason


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), SystemExit(3)])
async def test_an_observer_undoes_no_success(raised: BaseException) -> None:
    class Broken(Observer[Any]):
        async def ended(self, *_: Any) -> None:
            raise raised

    assert isinstance(await run(Dispatcher(jobs_of().entries(), observer=Broken())), Done)


# -- handlers and their hooks -----------------------------------------------------------------


async def test_what_is_none_is_left_out_where_that_is_asked_for() -> None:
    found: list[Any] = []
    for exclude_none in (False, True):
        jobs: Jobs[Any] = Jobs(exclude_none=exclude_none)

        @jobs.job("x")
        async def handler(job: Job[Data]) -> Result:
            return Result(user=job.data.user)

        found.append(await run(Dispatcher(jobs.entries())))
    assert found == [Done({"user": "u", "note": None}), Done({"user": "u"})]


async def test_something_cancelled_inside_is_a_failed_attempt() -> None:
    async def body(job: Job[Data, Any]) -> None:
        inner = asyncio.create_task(asyncio.sleep(60))
        inner.cancel()
        await inner

    outcome = await run(Dispatcher(jobs_of(body).entries()))
    assert outcome == Retry("A part of the job was cancelled from within")


async def test_a_hook_takes_no_more_of_the_data_than_it_needs() -> None:
    hooked: list[str] = []
    invalid: list[Any] = []
    jobs: Jobs[Any] = Jobs()

    @jobs.job("x")
    async def handler(job: Job[Data]) -> None: ...

    @handler.on_final_failure
    async def gave_up(job: Job[Subject], reason: str) -> None:
        hooked.append(job.data.user)

    async def on_invalid(job: Job[Any, Any], reason: str) -> None:
        invalid.append(job.data)

    dispatcher = Dispatcher(jobs.entries(), on_invalid=on_invalid)
    for data in ({"user": "u"}, {"size": 1}, "nonsense"):
        assert isinstance(await run(dispatcher, data), Fail)
    assert hooked == ["u"]
    assert invalid == [{"size": 1}, "nonsense"]


async def test_a_hook_that_cancels_a_part_of_its_own_is_run_again() -> None:
    jobs: Jobs[Any] = Jobs()

    @jobs.job("x")
    async def handler(job: Job) -> None:
        raise UnrecoverableError("no")

    @handler.on_final_failure
    async def gave_up(job: Job, reason: str) -> None:
        raise asyncio.CancelledError

    assert isinstance(await run(Dispatcher(jobs.entries())), FailLater)


async def test_a_hook_that_may_succeed_later_is_told_and_runs_a_last_time() -> None:
    jobs: Jobs[Any] = Jobs()
    observer = Noting()

    @jobs.job("x")
    async def handler(job: Job) -> None:
        raise UnrecoverableError("no")

    @handler.on_final_failure
    async def gave_up(job: Job, reason: str) -> None:
        raise ConnectionError("away")

    dispatcher = Dispatcher(jobs.entries(), observer=observer)
    assert isinstance(await run(dispatcher, failure_waits=A_DAY - 1), FailLater)
    assert isinstance(await run(dispatcher, failure_waits=A_DAY), Fail)
    assert observer.hooks == ["away", "away"]


async def test_a_job_says_how_soon_its_hook_is_tried_again() -> None:
    jobs = Jobs()

    @jobs.job("x", failure_pause=timedelta(seconds=20))
    async def handler(job: Job) -> None:
        raise UnrecoverableError("no")

    @handler.on_final_failure
    async def gave_up(job: Job, reason: str) -> None:
        raise ConnectionError("away")

    dispatcher = Dispatcher(jobs.entries())
    outcomes = [await run(dispatcher, failure_waits=waits) for waits in (0, 1, 2000)]
    assert outcomes == [FailLater("no", timedelta(seconds=20))] * 3


def test_a_function_that_is_no_hook_is_refused() -> None:
    jobs: Jobs[Any] = Jobs()

    @jobs.job("x")
    async def handler(job: Job) -> None: ...

    wrong: Any = handler.on_final_failure

    async def hook(job: Job) -> None: ...

    with pytest.raises(TypeError, match="reason: str"):
        wrong(hook)


# -- what people read -------------------------------------------------------------------------


def public_jobs(error: Exception, hooked: list[str]) -> Jobs[Any]:
    jobs: Jobs[Any] = Jobs()

    def shown(job: JobFields[Any, Any], error: Exception) -> str:
        return f"{job.name} of {job.deps}:\n{type(error).__name__}, {error}"

    @jobs.job("x", public_reason=shown)
    async def handler(job: Job[Data, Any]) -> None:
        raise error

    @handler.on_final_failure
    async def hook(job: Job[Data, Any], reason: str) -> None:
        hooked.append(reason)

    return jobs


async def test_a_failed_job_shows_what_its_rule_makes_of_the_error() -> None:
    """The reason stays what operators read."""
    hooked: list[str] = []
    observer = Noting()
    jobs = public_jobs(ValueError("no luck"), hooked)
    dispatcher = Dispatcher(jobs.entries(), "pool", observer=observer)
    assert isinstance(await run(dispatcher), Retry)
    failed = await run(dispatcher, attempts_made=1)
    assert isinstance(failed, Fail)
    assert (failed.reason, failed.failed_reason) == (
        "ValueError: no luck",
        "x of pool: ValueError, no luck",
    )
    assert failed.trace.endswith("ValueError: no luck")
    assert hooked == ["ValueError: no luck"]
    assert observer.seen[-1][1] == failed


async def test_so_does_one_that_fails_without_an_attempt() -> None:
    hooked: list[str] = []
    dispatcher = Dispatcher(public_jobs(ValueError(), hooked).entries(), "pool")
    delivery = Delivery("1", "x", GOOD, 0, attempts=2)
    failed = await dispatcher.on_failed(delivery, RecordingHandle(), "stalled too often")
    assert failed == Fail(
        "stalled too often", public="x of pool: UnrecoverableError, stalled too often"
    )
    assert hooked == ["stalled too often"]


async def test_a_rule_that_raises_shows_no_reason(caplog: pytest.LogCaptureFixture) -> None:
    jobs: Jobs[Any] = Jobs()

    @jobs.job("x", public_reason=lambda job, error: job.deps["no"])
    async def handler(job: Job[Data, Any]) -> None:
        raise UnrecoverableError("the key abc is wrong")

    assert handler.registered.rules.public_reason is not None
    failed = await run(Dispatcher(jobs.entries(), {}))
    assert isinstance(failed, Fail)
    assert failed.failed_reason == "The job failed"
    assert "The public reason of x 1 failed" in caplog.text


async def test_what_people_read_is_scrubbed_too() -> None:
    jobs = public_jobs(UnrecoverableError("the key is s3cret"), [])
    dispatcher = Dispatcher(jobs.entries(), scrub=lambda text: text.replace("s3cret", "***"))
    failed = await run(dispatcher)
    assert isinstance(failed, Fail)
    assert failed.failed_reason == "x of None: UnrecoverableError, the key is ***"


async def test_a_scrub_that_raises_leaves_nothing_unscrubbed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def scrub(text: str) -> str:
        raise ZeroDivisionError

    failing = raising(ValueError("the key is s3cret"))
    outcome = await run(Dispatcher(jobs_of(failing).entries(), scrub=scrub))
    assert isinstance(outcome, Retry)
    assert outcome.reason == "The job failed"
    assert "s3cret" not in outcome.trace
    assert "The reason of x 1 could not be scrubbed" in caplog.text
