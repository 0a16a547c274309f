"""What users of the consumer may not write: each marked line is an error to both type checkers.

`async def` with `SyncJob` is missing: see test_a_mix_of_async_and_sync_is_refused, at import.
"""

# ruff: noqa: B018, F841

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, TypeAdapter

from bullmq_consumer import Job, JobFields, Jobs, SyncJob, Worker, run
from bullmq_consumer.testing import run_job


class Letter(BaseModel):
    to_address: str


class Picture(BaseModel):
    url: str


@dataclass
class Deps:
    mailer: str


@dataclass
class OtherDeps:
    database: str


@asynccontextmanager
async def lifespan() -> AsyncGenerator[Deps]:
    yield Deps("mailer")


worker = Worker("emails", "redis://localhost", lifespan=lifespan)


# -- handlers ----------------------------------------------------------------------------


@worker.job("a")  # error: def takes SyncJob
def plain_def(job: Job[Letter]) -> int:
    return 1


@worker.job("c")  # error: deps of another worker
async def other_deps(job: Job[Letter, OtherDeps]) -> None: ...


@worker.job("d")  # error: deps of another worker
def other_deps_in_a_thread(job: SyncJob[Letter, OtherDeps]) -> None: ...


@worker.job("e")  # error: two parameters
async def two(job: Job[Letter], more: int) -> None: ...


@worker.job("f")  # error: no parameter
async def none() -> None: ...


@worker.job(timeout=timedelta(seconds=1))  # error: no name
async def nameless(job: Job[Letter]) -> None: ...


@worker.job("g", timeout=30)  # error: a number is no duration
async def seconds(job: Job[Letter]) -> None: ...


@worker.job("h", fails_on=(str,))  # error: no exception
async def fails_on(job: Job[Letter]) -> None: ...


@worker.job("i")
async def handler(job: Job[Letter, Deps]) -> int:
    job.data.subject  # error: no such field
    job.deps.database  # error: no such dependency
    job.data = Letter(to_address="a")  # error: read only
    return job.data.to_address  # error: not what it says to return


@worker.job("j")
def in_a_thread(job: SyncJob[Letter]) -> None:
    job.deps.mailer  # error: it asked for no dependencies
    await job.progress(1)  # error: nothing is awaited in a thread


# -- what a job can do -------------------------------------------------------------------


async def text() -> str:
    return "a"


@worker.job("k")
async def uses(job: Job[Letter, Deps]) -> None:
    number: int = await job.step("a", text, returns=str)  # error: the step returns a str
    await job.step("b", text, returns=TypeAdapter(int))  # error: the work returns a str
    kept: int = await job.step("c", text, returns=int)  # error: the work returns a str
    await job.step("d", text)  # error: nothing says what is kept
    await job.step("e", lambda: "a", returns=str)  # error: the work is not awaitable
    await job.progress(datetime.now(UTC))  # error: no JSON
    await job.progress({"at": datetime.now(UTC)})  # error: no JSON
    await job.progress({1, 2})  # error: no JSON
    await job.progress(job.data)  # error: no JSON
    await job.log(1)  # error: no text
    await job.add("track", {})  # error: no id
    await job.add("track", {}, id=1)  # error: ids are texts
    await job.add("track", {}, id="a", delay=5)  # error: a number is no duration
    job.progress(1)  # error: not awaited
    frames: dict[str, Letter] = await job.children(Picture)  # error: of another type
    job.raise_if_stopped()  # error: of SyncJob alone


@worker.job("l")
def sync_uses(job: SyncJob[Letter]) -> None:
    number: int = job.step("a", lambda: "a", returns=str)  # error: the step returns a str
    kept: int = job.step("b", lambda: "a", returns=int)  # error: the work returns a str
    job.progress(object())  # error: no JSON
    job.add("track", {})  # error: no id


# -- hooks and middleware ----------------------------------------------------------------


@handler.on_final_failure  # error: deps of another worker
async def hook_with_other_deps(job: Job[Letter, OtherDeps], reason: str) -> None: ...


@handler.on_final_failure  # error: no reason
async def no_reason(job: Job[Letter, Deps]) -> None: ...


@handler.on_final_failure  # error: the handler is async
def sync_hook(job: SyncJob[Letter, Deps], reason: str) -> None: ...


@in_a_thread.on_final_failure  # error: the handler runs in a thread
async def async_hook(job: Job[Letter], reason: str) -> None: ...


@worker.on_invalid  # error: the data did not validate
async def invalid(job: Job[Letter, Deps], reason: str) -> None: ...


@worker.middleware  # error: it takes no call
async def no_call(job: JobFields) -> object: ...


@worker.middleware  # error: deps of another worker
async def other(job: JobFields[object, OtherDeps], call: Callable[[], Awaitable[object]]) -> object:
    return await call()


@worker.middleware  # error: not async
def not_async(job: JobFields, call: Callable[[], Awaitable[object]]) -> int:
    return 1


# -- several modules ---------------------------------------------------------------------

jobs = Jobs[Deps]()
worker.include(Jobs[OtherDeps]())  # error: deps of another worker
Worker("q", "redis://localhost").include(jobs)  # error: a worker without dependencies
Jobs().include(jobs)  # error: what needs dependencies is not for every worker


# -- workers, tests and the program ------------------------------------------------------

Worker("q", "redis://localhost", lifespan=Deps)  # error: no context manager
Worker("q", "redis://localhost", grace=8)  # error: a number is no duration
Worker("q", "redis://localhost", unknown="ignore")  # error: no such choice
Worker("q")  # error: no Redis
Worker[OtherDeps]("q", "redis://localhost", lifespan=lifespan)  # error: the lifespan of others
run("app:worker")  # error: no worker


async def in_a_test() -> None:
    await run_job(handler, {}, deps=OtherDeps("d"))  # error: deps of another worker
    await run_job(text, {})  # error: no handler
    await handler({"to_address": "a"})  # error: not a job
