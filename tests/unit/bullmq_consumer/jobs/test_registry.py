"""What is refused when a module is imported, with what to write instead."""

from datetime import timedelta
from typing import Any

import pytest

from bullmq_consumer import CannotRun, Job, Jobs, RequeueLater, RetryAfter, SyncJob, Worker


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

    async def bare(job: Job) -> None: ...

    del bare.__annotations__["job"]
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
    with pytest.raises(CannotRun, match="has no handler"):
        async with worker.running():
            pass


def test_a_worker_that_does_not_run_says_so() -> None:
    health = Worker("q", "redis://127.0.0.1:1").health()
    assert (health.live, health.ready, health.why_not) == (True, False, "It does not run")


def test_a_hook_is_of_the_kind_of_its_handler() -> None:
    """The other one would never be awaited, or run again and again."""
    jobs: Jobs = Jobs()
    worker: Any = Worker("q", "redis://127.0.0.1:1")

    @jobs.job("x")
    def sync(job: SyncJob) -> None: ...

    @jobs.job("y")
    async def asynchronous(job: Job) -> None: ...

    async def async_hook(job: Any, reason: str) -> None: ...

    def sync_hook(job: Any, reason: str) -> None: ...

    wrong: Any
    for wrong, hook in ((sync, async_hook), (asynchronous, sync_hook)):
        with pytest.raises(TypeError, match="too"):
            wrong.on_final_failure(hook)
    with pytest.raises(TypeError, match="on_invalid wants an `async def`"):
        worker.on_invalid(sync_hook)


def test_seconds_are_no_durations() -> None:
    jobs: Any = Jobs()
    soon: Any = 5
    for wrong in (
        lambda: jobs.job("x", timeout=soon),
        lambda: Worker("q", "redis://127.0.0.1:1", grace=soon),
        lambda: RetryAfter(soon, "x"),
        lambda: RequeueLater(soon, "x"),
    ):
        with pytest.raises(TypeError, match="is a timedelta, such as"):
            wrong()


@pytest.mark.parametrize("address", ["127.0.0.1:6379", "", "http://u:secret@host", "redis://"])
def test_what_is_no_address_of_a_redis_is_refused_without_showing_it(address: str) -> None:
    with pytest.raises(ValueError, match="The address of Redis begins with") as raised:
        Worker("q", address)
    assert "secret" not in str(raised.value)


def test_a_worker_runs_one_job_at_least() -> None:
    with pytest.raises(ValueError, match="not 0"):
        Worker("q", "redis://127.0.0.1:1", concurrency=0)


async def _told_later(job: Any, error: Exception) -> str:
    return "no"


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ({"failure_pause": timedelta(0)}, "failure_pause is at least 1 second, not 0:00:00"),
        ({"timeout": timedelta(0)}, "timeout is longer than nothing, not 0:00:00"),
        ({"max_requeues": -1}, "max_requeues is 0 or more, not -1"),
        ({"fails_on": ValueError}, r"such as \(ValueError,\), not ValueError"),
        ({"fails_on": ("ValueError",)}, "fails_on is a tuple of exception types"),
        ({"public_reason": _told_later}, "public_reason is a `def`"),
    ],
)
def test_a_rule_that_could_not_be_kept_is_refused(rules: dict[str, Any], sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence):
        Jobs().job("x", **rules)
