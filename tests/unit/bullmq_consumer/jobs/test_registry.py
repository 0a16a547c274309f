"""What is refused when a module is imported, with what to write instead."""

from typing import Any

import pytest

from bullmq_consumer import Job, Jobs, SyncJob, Worker


class Opaque:
    """Something that JSON cannot carry."""


def test_a_mix_of_async_and_sync_is_refused() -> None:
    jobs: Any = Jobs()

    def bad(job: Job) -> int:
        return 1

    async def worse(job: SyncJob) -> int:
        return 1

    with pytest.raises(TypeError, match="def takes SyncJob"):
        jobs.job("bad")(bad)
    with pytest.raises(TypeError, match="async def takes Job"):
        jobs.job("worse")(worse)


def test_what_json_cannot_carry_is_refused() -> None:
    jobs: Any = Jobs()

    async def returns(job: Job) -> Opaque:
        return Opaque()

    async def takes(job: Job[Opaque]) -> None: ...

    with pytest.raises(TypeError, match="JSON cannot carry a result of type"):
        jobs.job("returns")(returns)
    with pytest.raises(TypeError, match="JSON cannot carry data of type"):
        jobs.job("takes")(takes)


def test_a_function_without_a_job_is_refused() -> None:
    jobs: Any = Jobs()

    async def nothing() -> None: ...

    async def two(job: Job, more: int) -> None: ...

    async def bare(job) -> None: ...  # type: ignore

    for function in (nothing, two, bare):
        with pytest.raises(TypeError, match="async def takes Job, as in"):
            jobs.job("x")(function)


def test_a_name_is_served_once() -> None:
    jobs, others = Jobs(), Jobs()

    @jobs.job("x")
    async def first(job: Job) -> None: ...

    with pytest.raises(TypeError, match="Two handlers are called 'x'"):

        @jobs.job("x")
        async def second(job: Job) -> None: ...

    @others.job("x")
    async def third(job: Job) -> None: ...

    jobs.include(others)
    with pytest.raises(TypeError, match="Two handlers are called 'x'"):
        jobs.entries()


def test_a_worker_serves_what_it_includes_each_with_its_middleware() -> None:
    worker, jobs = Worker("q", "redis://127.0.0.1"), Jobs()
    worker.include(jobs)

    @worker.middleware
    async def outer(job: Any, call: Any) -> Any: ...

    @jobs.middleware
    async def inner(job: Any, call: Any) -> Any: ...

    @worker.job("own")
    async def own(job: Job) -> None: ...

    @jobs.job("theirs")
    async def theirs(job: Job) -> None: ...

    entries = worker.entries()
    assert entries["own"].middleware == (outer,)
    assert entries["theirs"].middleware == (outer, inner)


def test_a_middleware_is_async() -> None:
    jobs: Any = Jobs()
    with pytest.raises(TypeError, match="async def"):
        jobs.middleware(lambda job, call: call())


async def test_a_worker_without_a_handler_does_not_run() -> None:
    worker = Worker("q", "redis://127.0.0.1:1")
    with pytest.raises(TypeError, match="has no handler"):
        async with worker.running():
            pass


def test_a_worker_that_does_not_run_says_so() -> None:
    health = Worker("q", "redis://127.0.0.1:1").health()
    assert (health.live, health.ready, health.why_not) == (True, False, "It does not run")
