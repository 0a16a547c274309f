"""Isolated handlers, by the worker's own rules: each in a real process."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from bullmq_consumer import Job, Jobs, StopReason, SyncJob, Worker
from bullmq_consumer.delivery import Delivery
from bullmq_consumer.jobs.handler import Registered
from bullmq_consumer.jobs.isolated.processes import Processes
from bullmq_consumer.jobs.stop import Stop
from bullmq_consumer.testing import run_job
from tests.support import renamed
from tests.support.isolated import pid, slow, work
from tests.support.slow_to_import import quick


async def test_its_job_asks_what_any_job_may() -> None:
    ran = await run_job(work, {}, job_id="j1", attempts=2)
    assert (ran.state, ran.result["size"]) == ("completed", 7)
    assert (ran.progress, ran.logs, ran.steps) == ([10], ["attempt 1"], {"size": 7})
    [following] = ran.added
    assert (following.name, following.job_id, following.data) == ("next", "next_j1", {"size": 7})


@pytest.mark.parametrize(
    ("end", "state", "reason", "delay"),
    [
        ("refuse", "failed", "no", None),
        ("expected", "failed", "Expected: as foreseen", None),
        ("later", "requeued", "later", 3),
        ("after", "retrying", "after", 4),
        ("broken", "retrying", "KeyError: 'a'", None),
        (
            "kill",
            "retrying",
            "The job's process was killed by SIGKILL: out of memory?",
            None,
        ),
        ("exit", "retrying", "The job's process ended by itself, with exit code 3", None),
    ],
)
async def test_what_ends_it_ends_the_attempt(
    end: str, state: str, reason: str, delay: int | None
) -> None:
    ran = await run_job(work, {"end": end}, attempts=2)
    assert (ran.state, ran.reason) == (state, reason)
    assert ran.delay == (None if delay is None else timedelta(seconds=delay))


async def test_what_cannot_be_added_is_refused_there() -> None:
    ran = await run_job(work, {"delay": "-1"})
    assert (ran.reason, ran.added) == ("ValueError: A job's delay: at least 0, not -1000", [])


@pytest.mark.parametrize("is_known", [True, False])
async def test_one_that_died_while_it_waited_costs_no_attempt(
    monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    """The kernel calls it alive until the last of its threads has gone."""
    processes = Processes("q")
    handle: Any = SimpleNamespace(report=lambda value: None)
    delivery = Delivery("j1", "pid", {}, attempts_made=0, attempts=1)

    async def run() -> int:
        stop = Stop(asyncio.Event(), lambda: False)
        return await processes.run(pid.registered, delivery, handle, stop)

    first = await run()
    assert await run() == first
    os.kill(first, signal.SIGKILL)
    await until(lambda: not psutil.pid_exists(first) or is_zombie(first))
    if not is_known:
        monkeypatch.setattr("bullmq_consumer.jobs.isolated.processes._Process.is_alive", True)
    assert await run() != first
    await processes.aclose()


def is_zombie(process: int) -> bool:
    return psutil.Process(process).status() == psutil.STATUS_ZOMBIE


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_its_log_is_the_workers(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        await run_job(pid, {})
        await run_job(work, {"end": "broken"})
    assert ("tests.support.isolated", logging.INFO, "Here it runs") in caplog.record_tuples
    [broken] = [line for line in caplog.messages if line.startswith("An isolated handler raised")]
    assert broken.endswith("KeyError: 'a'")


async def test_one_that_outruns_its_limit_is_killed() -> None:
    ran = await run_job(slow, {}, attempts=2)
    assert (ran.state, ran.reason) == ("retrying", "The job ran longer than 0:00:01")


async def test_the_start_of_its_process_is_not_in_its_limit() -> None:
    ran = await run_job(quick, {})
    assert (ran.state, ran.result) == ("completed", "done")


async def test_one_that_is_asked_to_end_is_requeued() -> None:
    ran = await run_job(work, {"end": "loop"}, stop=StopReason.SHUTDOWN)
    assert (ran.state, ran.delay) == ("requeued", timedelta(0))


async def test_a_lost_lock_ends_it() -> None:
    ran = await run_job(work, {}, attempts=2, stop=StopReason.LOCK_LOST)
    assert ran.reason == "another worker has the job by now"


def test_what_cannot_be_isolated_is_refused() -> None:
    jobs: Any = Jobs()

    def local(job: SyncJob) -> None: ...

    async def asynchronous(job: Job) -> None: ...

    with pytest.raises(TypeError, match="at the top of a module"):
        jobs.job("x", isolate=True)(local)
    with pytest.raises(TypeError, match="not for `async def`"):
        jobs.job("x", isolate=True)(asynchronous)
    with pytest.raises(TypeError, match="has no deps"):
        jobs.job("x", isolate=True)(with_deps)


def test_where_it_cannot_run_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    jobs: Any = Jobs()
    with pytest.raises(TypeError, match="isolate needs Linux or macOS, and this is Windows"):
        jobs.job("x", isolate=True)(without_deps)
    assert jobs.job("x")(without_deps).registered.name == "x"


@pytest.mark.parametrize("handler", [renamed.other_name, renamed.in_a_class])
async def test_it_is_found_by_the_name_that_its_module_has_for_it(handler: Any) -> None:
    ran = await run_job(handler, {})
    assert ran.state == "completed"
    assert ran.result != os.getpid()


def test_one_that_its_module_does_not_hold_is_refused_before_a_job_is_taken() -> None:
    worker = Worker("q", "redis://localhost")
    worker.include(renamed.jobs)
    assert worker.entries().keys() == {"renamed", "in a class"}
    worker.include(renamed.lost)
    with pytest.raises(TypeError, match=r"tests.support.renamed.hidden: isolate imports .* bind"):
        worker.entries()


async def test_one_of_the_interactive_interpreter_is_refused() -> None:
    code = (
        "from bullmq_consumer import SyncJob, Worker\n"
        "worker = Worker('q', 'redis://localhost')\n"
        "@worker.job('x', isolate=True)\n"
        "def x(job: SyncJob) -> None: ...\n"
        "worker.entries()\n"
    )
    command = [sys.executable, "-c", code]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert "TypeError: __main__.x: isolate imports the handler" in done.stderr


async def test_a_module_that_cannot_be_imported_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Registered, "place", ("tests.support.gone", "moved"))
    ran = await run_job(pid, {}, attempts=2)
    missing = "ModuleNotFoundError: No module named 'tests.support.gone'"
    assert (ran.state, ran.reason) == ("retrying", missing)
    assert "The module of an isolated handler cannot be imported" in caplog.text


def without_deps(job: SyncJob) -> None:
    """At the top of a module."""


def with_deps(job: SyncJob[dict[str, str], str]) -> None:
    """At the top of a module."""
