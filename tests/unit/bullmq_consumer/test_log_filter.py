"""What a log line carries of the job that it is about."""

import asyncio
from collections.abc import Awaitable, Callable

from bullmq_consumer import Job, JobFields, Jobs, RetryableError, SyncJob
from bullmq_consumer.testing import run_job
from tests.support import isolated
from tests.support.log_place import logged_place

jobs = Jobs()
seen: list[str] = []


@jobs.job("async")
async def on_the_loop(job: Job) -> list[str]:
    task = asyncio.create_task(asyncio.to_thread(logged_place))
    return [logged_place(), await task]


@jobs.job("sync")
def in_a_thread(job: SyncJob) -> str:
    return logged_place()


@jobs.job("fails")
async def fails(job: Job) -> None:
    raise RetryableError("as foreseen")


@fails.on_final_failure
async def gave_up(job: Job, reason: str) -> None:
    seen.append(logged_place())


async def around(job: JobFields, call: Callable[[], Awaitable[object]]) -> object:
    seen.append(logged_place())
    return await call()


async def test_lines_of_a_handler_carry_its_job() -> None:
    ran = await run_job(on_the_loop, {}, job_id="7", attempt=2, attempts=3)
    assert ran.result == ["test 7 async 2"] * 2
    ran = await run_job(in_a_thread, {}, job_id="8")
    assert ran.result == "test 8 sync 1"
    ran = await run_job(isolated.log_place, {}, job_id="9")
    assert ran.result == "test 9 log place 1"


async def test_so_do_those_of_middleware_and_hooks() -> None:
    seen.clear()
    ran = await run_job(fails, {}, job_id="7", middleware=[around])
    assert (ran.state, seen) == ("failed", ["test 7 fails 1"] * 2)


async def test_two_jobs_at_a_time_are_told_apart() -> None:
    both = await asyncio.gather(*(run_job(on_the_loop, {}, job_id=one) for one in ("1", "2")))
    assert [ran.result[0] for ran in both] == ["test 1 async 1", "test 2 async 1"]


async def test_others_carry_none() -> None:
    await run_job(on_the_loop, {})
    assert logged_place() == "- - - 0"
