"""What users of the consumer may write: both type checkers have nothing against it."""

import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypedDict, assert_type

from pydantic import BaseModel, JsonValue, TypeAdapter

from bullmq_consumer import (
    Handler,
    Job,
    JobFields,
    Jobs,
    Keep,
    Limit,
    Middleware,
    RequeueLater,
    RetryAfter,
    SyncHandler,
    SyncJob,
    UnrecoverableError,
    Worker,
    run,
)
from bullmq_consumer.testing import run_job


class NoSuchAddress(Exception):
    pass


class Letter(BaseModel):
    to_address: str


@dataclass
class Picture:
    url: str


class Row(TypedDict):
    id: int


class Frame(BaseModel):
    number: int


class Mailer:
    async def send(self, to: str) -> str:
        return to


class CanSend(Protocol):
    """As much of the dependencies as one module needs."""

    async def send(self, to: str) -> str: ...


@dataclass
class Deps:
    mailer: Mailer


@asynccontextmanager
async def lifespan() -> AsyncGenerator[Deps]:
    yield Deps(Mailer())


def other_lifespan() -> AbstractAsyncContextManager[Deps]:
    return lifespan()


@asynccontextmanager
async def mailer_alone() -> AsyncGenerator[Mailer]:
    yield Mailer()


# A worker takes the type of its dependencies from its lifespan.
plain = Worker("plain", "redis://localhost")
worker = Worker(
    "emails", "redis://localhost", lifespan=lifespan, limiter=Limit(5, timedelta(seconds=1))
)
assert_type(worker, Worker[Deps])
assert_type(plain, Worker[object])
assert_type(Worker("q", "redis://localhost", lifespan=other_lifespan), Worker[Deps])
kept = Worker("q", "redis://localhost", remove_on_complete=Keep(count=3), remove_on_fail=True)


# -- data and results --------------------------------------------------------------------


@worker.job("model", timeout=timedelta(minutes=1), fails_on=(NoSuchAddress,), release_id=True)
async def model(job: Job[Letter, Deps]) -> Frame:
    assert_type(job.data.to_address, str)
    assert_type(job.deps.mailer, Mailer)
    await job.deps.mailer.send(job.data.to_address)
    return Frame(number=1)


@worker.job("dataclass")
async def picture(job: Job[Picture, Deps]) -> Picture:
    return job.data


@worker.job("typed dict")
async def row(job: Job[Row, Deps]) -> Row:
    return {"id": job.data["id"]}


@worker.job("json")
async def json(job: Job[JsonValue, Deps]) -> JsonValue:
    return job.data


@worker.job("whatever came")
async def whatever(job: Job) -> None:
    assert_type(job.data, JsonValue)


@worker.job("without deps")
async def without(job: Job[Letter]) -> str:
    return job.data.to_address


@worker.job("in a thread")
def thread(job: SyncJob[Letter, Deps]) -> list[Frame]:
    return [Frame(number=job.attempt)]


@worker.job("in a thread, without deps")
def thread_without(job: SyncJob[Letter]) -> None:
    job.raise_if_stopped()


@worker.job("in a process", isolate=True)
def isolated(job: SyncJob[Row]) -> float:
    job.progress(50)
    return 0.5


@plain.job("plain")
async def of_plain(job: Job[Letter]) -> None: ...


assert_type(model, Handler[Letter, Deps, Frame])
assert_type(thread, SyncHandler[Letter, Deps, list[Frame]])


# -- what a job can do -------------------------------------------------------------------


async def frames() -> list[Frame]:
    return [Frame(number=1)]


async def maybe() -> str | None:
    return None


async def nothing() -> None: ...


@worker.job("steps")
async def steps(job: Job[Letter, Deps]) -> None:
    to = job.data.to_address
    assert_type(await job.step("send", lambda: job.deps.mailer.send(to), returns=str), str)
    assert_type(await job.step("frames", frames, returns=list[Frame]), list[Frame])
    adapter = TypeAdapter(list[Frame])
    assert_type(await job.step("again", frames, returns=adapter), list[Frame])
    optional: TypeAdapter[str | None] = TypeAdapter(str | None)
    assert_type(await job.step("maybe", maybe, returns=optional), str | None)
    await job.step("nothing", nothing, returns=type(None))


@worker.job("steps in a thread")
def sync_steps(job: SyncJob[Letter]) -> None:
    assert_type(job.step("one", lambda: Frame(number=1), returns=Frame), Frame)
    assert_type(job.step("more", lambda: [Frame(number=1)], returns=list[Frame]), list[Frame])
    adapter = TypeAdapter(list[Frame])
    assert_type(job.step("again", lambda: [Frame(number=1)], returns=adapter), list[Frame])


@worker.job("flow")
async def parent(job: Job) -> int:
    assert_type(await job.children(), Mapping[str, JsonValue])
    assert_type(await job.children(Frame), Mapping[str, Frame])
    assert_type(await job.children(list[Frame]), Mapping[str, list[Frame]])
    optional: TypeAdapter[Frame | None] = TypeAdapter(Frame | None)
    assert_type(await job.children(optional), Mapping[str, Frame | None])
    return len(await job.children(Row))


@worker.job("flow in a thread")
def sync_parent(job: SyncJob) -> int:
    assert_type(job.children(), Mapping[str, JsonValue])
    return sum(frame.number for frame in job.children(Frame).values())


@worker.job("progress")
async def progress(job: Job[Row]) -> None:
    counts: dict[str, int] = {"done": 1, "of": 3}
    done: list[int] = [1, 2]
    await job.progress(counts)
    await job.progress({"done": done, "counts": counts, "name": None})
    await job.progress(0.5)
    await job.log("half of it")
    await job.check_lock()


@worker.job("follow-ups")
async def follow_up(job: Job[Letter]) -> None:
    await job.add("track", {"to": job.data.to_address}, id=f"track_{job.id}", priority=3)
    await job.add("track", job.data, id="a", queue="other", delay=timedelta(seconds=1))
    await job.add("track", Picture("u"), id="b", attempts=3)
    if job.stop_reason is None:
        raise RetryAfter(timedelta(seconds=7), "429")
    raise RequeueLater(timedelta(seconds=30), "the mail server is down")


@worker.job("gives up")
def gives_up(job: SyncJob[Letter]) -> None:
    raise UnrecoverableError("no such address")


# -- hooks and middleware ----------------------------------------------------------------


@model.on_final_failure
async def gave_up(job: Job[Letter, Deps], reason: str) -> None:
    await job.deps.mailer.send(reason)


@model.on_final_failure
async def gave_up_without_deps(job: Job[Letter], reason: str) -> None:
    logging.error("%s: %s", job.id, reason)


@dataclass
class LetterId:
    """All that this hook needs: it runs for data, too, that the handler's refuses."""

    id: str


@model.on_final_failure
async def gave_up_on_less(job: Job[LetterId, Deps], reason: str) -> None:
    await job.deps.mailer.send(job.data.id)


@thread.on_final_failure
def thread_gave_up(job: SyncJob[Letter, Deps], reason: str) -> None: ...


@worker.on_invalid
async def invalid(job: Job[JsonValue, Deps], reason: str) -> None: ...


@worker.middleware
async def timed(job: JobFields[object, Deps], call: Callable[[], Awaitable[object]]) -> object:
    logging.info("%s %s", job.name, job.deps.mailer)
    return await call()


async def traced(job: JobFields, call: Callable[[], Awaitable[Any]]) -> Any:
    return await call()


shared: Middleware = traced
worker.middleware(shared)
plain.middleware(shared)


# -- several modules ---------------------------------------------------------------------

needs_nothing = Jobs()
needs_deps = Jobs[Deps]()
needs_a_part = Jobs[CanSend]()


@needs_nothing.job("nothing")
async def of_nothing(job: Job[Letter]) -> None: ...


@needs_deps.job("deps")
async def of_deps(job: Job[Letter, Deps]) -> None: ...


@needs_a_part.job("part")
async def of_a_part(job: Job[Letter, CanSend]) -> None:
    await job.deps.send(job.data.to_address)


worker.include(needs_nothing, needs_deps)
needs_deps.include(needs_nothing)
Worker("q", "redis://localhost", lifespan=mailer_alone).include(needs_a_part, needs_nothing)


# -- tests and the program ---------------------------------------------------------------


async def test_it() -> None:
    ran = await run_job(model, {"toAddress": "a@b.c"}, deps=Deps(Mailer()), attempts=3)
    await run_job(model, Letter(to_address="a"), deps=Deps(Mailer()), steps=ran.steps)
    await run_job(without, {"toAddress": "a@b.c"})
    await run_job(thread, {"toAddress": "a@b.c"}, deps=Deps(Mailer()))
    await run_job(parent, {}, children={"bull:q:1": {"number": 1}}, middleware=[traced])
    assert ran.delay is None or ran.delay < timedelta(1)


async def test_by_hand(job: Job[Letter, Deps], sync_job: SyncJob[Letter, Deps]) -> None:
    assert_type(await model(job), Frame)
    assert_type(thread(sync_job), list[Frame])


async def test_with_a_redis() -> None:
    async with worker.running():
        assert worker.health().ready
    assert_type(await worker.drain(), int)


if __name__ == "__main__":
    sys.exit(run(worker, plain))
