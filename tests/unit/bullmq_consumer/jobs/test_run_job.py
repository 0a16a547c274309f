"""Handlers under the worker's own rules, as their authors test them: without Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from bullmq_consumer import (
    Job,
    JobFields,
    Jobs,
    LockLost,
    RequeueLater,
    RetryableError,
    StopReason,
    SyncJob,
    UnrecoverableError,
)
from bullmq_consumer.testing import run_job
from tests.support.emails import Deps, Mailer, SendData, echo, send, thumbnail

GOOD = {"toAddress": "a@b.c"}


async def test_a_mail_is_sent_and_followed_up() -> None:
    ran = await run_job(send, GOOD, deps=Deps())
    assert (ran.state, ran.result) == ("completed", {"messageId": "m1"})
    assert ran.progress == [{"percent": 90}]
    [track] = ran.added
    assert (track.name, track.job_id, track.data) == ("track", "track_m1", {"message": "m1"})
    assert track.priority == 3


async def test_a_retry_gets_the_kept_step() -> None:
    mailer = Mailer()
    first = await run_job(send, GOOD, deps=Deps(mailer), attempts=3)
    again = await run_job(send, GOOD, deps=Deps(mailer), attempt=2, attempts=3, steps=first.steps)
    assert (again.state, mailer.sent) == ("completed", ["a@b.c"])


async def test_a_kept_step_that_fits_no_more_fails_the_job() -> None:
    ran = await run_job(send, GOOD, deps=Deps(), attempts=3, steps={"send": {"a": 1}})
    assert ran.state == "failed"
    assert ran.reason.startswith("The kept result of step 'send': ")


async def test_a_mail_server_that_is_down_burns_no_attempt() -> None:
    ran = await run_job(send, GOOD, deps=Deps(Mailer(down=True)))
    assert (ran.state, ran.delay) == ("requeued", timedelta(seconds=30))
    assert ran.reason == "mail server is down"


async def test_one_that_is_down_for_too_long_does() -> None:
    ran = await run_job(send, GOOD, deps=Deps(Mailer(down=True)), requeues=20, attempts=2)
    assert (ran.state, ran.delay) == ("retrying", None)


async def test_429_waits_as_long_as_the_server_says() -> None:
    ran = await run_job(send, GOOD, deps=Deps(Mailer(busy=True)), attempts=3)
    assert (ran.state, ran.delay) == ("retrying", timedelta(seconds=7))


async def test_an_error_of_the_domain_fails_at_once_and_the_hook_hears_of_it() -> None:
    deps = Deps()
    ran = await run_job(send, {"toAddress": "nobody"}, deps=deps, attempts=5)
    assert (ran.state, deps.given_up) == ("failed", [ran.reason])
    assert ran.reason == "NoSuchAddress: nobody"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"to_address": "a@b.c"}, "Invalid data: 'toAddress': Field required"),
        ({"toAddress": 7}, "Invalid data: 'toAddress': Input should be a valid string"),
    ],
)
async def test_data_that_do_not_fit_fail_at_once_with_the_field(data: object, said: str) -> None:
    heard: list[tuple[Any, str]] = []

    async def on_invalid(job: Job[Any, Any], reason: str) -> None:
        heard.append((job.data, reason))

    deps = Deps()
    ran = await run_job(send, data, deps=deps, attempts=5, on_invalid=on_invalid)
    assert (ran.state, ran.reason) == ("failed", said)
    assert (heard, deps.given_up) == ([(data, said)], [])


async def test_a_thread_that_is_asked_to_stop_is_requeued() -> None:
    ran = await run_job(thumbnail, GOOD, stop=StopReason.SHUTDOWN)
    assert (ran.state, ran.progress, ran.delay) == ("requeued", [50], timedelta(0))


@pytest.mark.parametrize("handler", [send, thumbnail])
@pytest.mark.parametrize(
    ("stop", "said"),
    [
        (StopReason.TIMEOUT, "The job ran longer than "),
        (StopReason.REQUESTED, "The attempt was cancelled on request"),
    ],
)
async def test_an_attempt_that_is_ended_has_failed(
    handler: Any, stop: StopReason, said: str
) -> None:
    ran = await run_job(handler, GOOD, deps=Deps(), attempts=2, stop=stop)
    assert ran.state == "retrying"
    assert ran.reason.startswith(said)


async def test_a_thread_returns_what_it_kept() -> None:
    ran = await run_job(thumbnail, GOOD)
    assert (ran.state, ran.result, ran.steps) == ("completed", 1.5, {"size": 1.5})


async def test_a_result_that_json_has_not_fails_the_attempt() -> None:
    ran = await run_job(thumbnail, {"toAddress": "nan"}, attempts=2)
    assert ran.state == "retrying"
    assert ran.reason.startswith("The job returned what is no JSON")


async def test_without_types_data_are_what_came() -> None:
    ran = await run_job(echo, {"a": [1, None, {"b": "c"}]})
    assert ran.result == {"a": [1, None, {"b": "c"}]}
    assert ran.logs == ["attempt 1"]


# -- handlers made for one test ---------------------------------------------------------------


async def test_an_exception_that_nobody_foresaw_is_retried() -> None:
    jobs: Jobs = Jobs()

    @jobs.job("x")
    async def broken(job: Job) -> None:
        raise KeyError("a")

    ran = await run_job(broken, {}, attempts=2)
    assert (ran.state, ran.reason) == ("retrying", "KeyError: 'a'")
    assert (await run_job(broken, {}, attempt=2, attempts=2)).state == "failed"


async def test_a_handler_that_outruns_its_limit_is_cancelled() -> None:
    jobs: Jobs = Jobs()

    @jobs.job("x", timeout=timedelta(milliseconds=10))
    async def slow(job: Job) -> None:
        await asyncio.Event().wait()

    ran = await run_job(slow, {}, attempts=2)
    assert (ran.state, ran.reason) == ("retrying", "The job ran longer than 0:00:00.010000")


async def test_a_time_out_of_its_own_is_not_the_limit() -> None:
    jobs: Jobs = Jobs()

    @jobs.job("x", timeout=timedelta(minutes=1))
    async def impatient(job: Job) -> None:
        raise TimeoutError("the server took too long")

    ran = await run_job(impatient, {}, attempts=2)
    assert ran.reason == "TimeoutError: the server took too long"


async def test_a_handler_may_wait_for_the_reason_to_stop() -> None:
    jobs: Jobs = Jobs()

    @jobs.job("x")
    async def until_stopped(job: Job) -> str:
        assert job.stop_reason is not None
        return await job.wait_stop()

    ran = await run_job(until_stopped, {}, stop=StopReason.SHUTDOWN)
    assert ran.result == "shutdown"


async def test_a_lost_lock_ends_the_attempt() -> None:
    jobs: Jobs = Jobs()
    reached: list[str] = []

    @jobs.job("x")
    async def careful(job: Job) -> None:
        try:
            await job.check_lock()
        except LockLost:
            reached.append("lost")
            raise

    await run_job(careful, {}, stop=StopReason.LOCK_LOST)
    assert reached == ["lost"]


async def test_middleware_sees_each_attempt_the_first_outermost() -> None:
    seen: list[str] = []

    def noting(name: str) -> Any:
        async def wrap(job: JobFields[Any, Any], call: Callable[[], Awaitable[Any]]) -> Any:
            seen.append(f"{name} {job.name}")
            result = await call()
            seen.append(f"{name} {result}")
            return {"wrapped": result}

        return wrap

    ran = await run_job(echo, {"a": 1}, middleware=[noting("out"), noting("in")])
    assert ran.result == {"wrapped": {"wrapped": {"a": 1}}}
    assert seen == ["out echo", "in echo", "in {'a': 1}", "out {'wrapped': {'a': 1}}"]


async def test_a_hook_that_cannot_reach_its_database_is_run_again() -> None:
    jobs: Jobs = Jobs()

    @jobs.job("x")
    async def doomed(job: Job) -> None:
        raise UnrecoverableError("no")

    @doomed.on_final_failure
    async def mark(job: Job, reason: str) -> None:
        raise ConnectionError("the database is away")

    ran = await run_job(doomed, {})
    assert (ran.state, ran.reason, ran.final_failure_pending) == ("failed", "no", True)
    assert ran.delay == timedelta(seconds=30)


async def test_a_sync_hook_runs_in_a_thread() -> None:
    jobs: Jobs[list[str]] = Jobs()

    @jobs.job("x")
    def doomed(job: SyncJob[dict[str, int], list[str]]) -> None:
        raise UnrecoverableError("no")

    @doomed.on_final_failure
    def mark(job: SyncJob[dict[str, int], list[str]], reason: str) -> None:
        job.log(reason)
        job.deps.append(reason)

    deps: list[str] = []
    ran = await run_job(doomed, {"n": 1}, deps=deps)
    assert (ran.state, deps, ran.logs) == ("failed", ["no"], ["no"])


async def test_what_a_thread_raises_that_is_no_exception_fails_the_attempt() -> None:
    jobs: Jobs = Jobs()

    @jobs.job("x")
    def leaves(job: SyncJob) -> None:
        raise SystemExit(3)

    ran = await run_job(leaves, {}, attempts=2)
    assert (ran.state, ran.reason) == ("retrying", "The handler raised SystemExit")


async def test_the_children_of_a_flow_are_validated() -> None:
    jobs: Jobs = Jobs()

    @jobs.job("x")
    async def parent(job: Job) -> list[str]:
        return [one.to_address for one in (await job.children(SendData)).values()]

    ran = await run_job(parent, {}, children={"bull:q:1": GOOD})
    assert ran.result == ["a@b.c"]


async def test_a_handler_is_still_a_function() -> None:
    class Plain:
        data = SendData.model_validate(GOOD)

    job: Any = Plain()
    with pytest.raises(AttributeError):
        await send(job)


async def test_retryable_and_requeue_keep_their_words() -> None:
    jobs: Jobs = Jobs()

    @jobs.job("x")
    async def either(job: Job[dict[str, str]]) -> None:
        raise (RetryableError("again") if "retry" in job.data else RequeueLater(reason="later"))

    assert (await run_job(either, {"retry": ""}, attempts=2)).reason == "again"
    ran = await run_job(either, {})
    assert (ran.state, ran.reason, ran.delay) == ("requeued", "later", timedelta(0))


# -- what looks like success, or ends more than the attempt -----------------------------------


async def test_a_result_that_is_no_json_is_a_failure_for_the_hook_too() -> None:
    jobs: Jobs[list[str]] = Jobs()

    @jobs.job("x")
    async def nan(job: Job[dict[str, str], list[str]]) -> float:
        return float("nan")

    @nan.on_final_failure
    async def mark(job: Job[dict[str, str], list[str]], reason: str) -> None:
        job.deps.append(reason)

    deps: list[str] = []
    ran = await run_job(nan, {}, deps=deps)
    assert (ran.state, deps) == ("failed", [ran.reason])


async def test_what_ends_a_program_ends_the_attempt_only() -> None:
    jobs: Jobs = Jobs()

    @jobs.job("x")
    async def leaves(job: Job) -> None:
        raise SystemExit(0)

    ran = await run_job(leaves, {}, attempts=2)
    assert (ran.state, ran.reason) == ("retrying", "The handler raised SystemExit")


async def test_a_hook_sees_what_its_attempt_kept_and_has_time_of_its_own() -> None:
    jobs: Jobs = Jobs()

    async def one() -> int:
        return 1

    @jobs.job("x", timeout=timedelta(milliseconds=50))
    async def charge(job: Job) -> None:
        await job.step("charge", one, returns=int)
        await asyncio.Event().wait()

    @charge.on_final_failure
    async def mark(job: Job, reason: str) -> None:
        assert job.stop_reason is None
        await job.step("told", one, returns=int)

    ran = await run_job(charge, {})
    assert (ran.state, ran.final_failure_pending) == ("failed", False)
    assert ran.steps == {"charge": 1, "told": 1}


async def test_a_kept_result_is_nobodys_to_change() -> None:
    jobs: Jobs = Jobs()

    async def work() -> list[int]:
        return [1]

    @jobs.job("x")
    async def changes(job: Job) -> list[int]:
        (await job.step("a", work, returns=list[int])).append(2)
        await job.step("b", work, returns=list[int])
        return await job.step("a", work, returns=list[int])

    ran = await run_job(changes, {})
    assert (ran.result, ran.steps) == ([1], {"a": [1], "b": [1]})


async def test_a_strict_model_takes_what_json_has() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(strict=True)
        at: datetime

    jobs: Jobs = Jobs()

    @jobs.job("x")
    async def when(job: Job[Strict]) -> int:
        return job.data.at.year

    assert (await run_job(when, {"at": "2026-11-30T12:00:00Z"})).result == 2026


async def test_a_validator_that_breaks_is_invalid_data() -> None:
    class Broken(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def look(cls, name: str) -> str:
            return {"a": "b"}[name]

    jobs: Jobs = Jobs()

    @jobs.job("x")
    async def x(job: Job[Broken]) -> None: ...

    ran = await run_job(x, {"name": "z"}, attempts=5)
    assert (ran.state, ran.reason) == ("failed", "Invalid data: KeyError: 'z'")


@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"priority": 0}, "ValueError: A job's priority: 1 to 2097152, not 0"),
        ({"attempts": 0}, "ValueError: A job's attempts: at least 1, not 0"),
        ({"delay": timedelta(seconds=-1)}, "ValueError: A job's delay: at least 0, not -1000"),
        (
            {"delay": 5},
            "TypeError: delay is a timedelta, such as timedelta(seconds=5), not a int",
        ),
        ({"queue": "a:b"}, "ValueError: The name of a queue holds no colon: 'a:b'"),
    ],
)
async def test_what_cannot_be_added_is_refused_before_anything_is_sent(
    kind: str, options: dict[str, Any], said: str
) -> None:
    jobs: Jobs = Jobs()

    @jobs.job("async def")
    async def asynchronous(job: Job) -> None:
        await job.add("x", {}, id="x_1", **options)

    @jobs.job("def")
    def synchronous(job: SyncJob) -> None:
        job.add("x", {}, id="x_1", **options)

    ran = await run_job(asynchronous if kind == "async def" else synchronous, {})
    assert (ran.state, ran.reason, ran.added) == ("failed", said, [])


async def test_what_people_read_is_the_reason_that_the_job_leaves() -> None:
    jobs: Jobs[str] = Jobs()

    @jobs.job("x", public_reason=lambda job, error: f"Please ask {job.deps}")
    async def handler(job: Job[Any, str]) -> None:
        raise UnrecoverableError("status 500")

    assert (await run_job(handler, {}, deps="Ann")).reason == "Please ask Ann"
