"""A worker by the public face: in an application, as a program, at a stop."""

import asyncio
import inspect
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from bullmq_consumer import ExitCode, Health, Job, Jobs, RequeueLater, RetryableError, Worker
from sandbox.processes import Process, free_port, logged
from sandbox.worker_process import ROOT
from tests.support.emails import Deps, Mailer, jobs, lifespan
from tests.support.runnable import hold_up
from tests.support.small_site import SmallSite

GOOD = {"toAddress": "a@b.c"}
other_jobs: Jobs = Jobs()


@other_jobs.job("x")
async def nothing(job: Job) -> None:
    """Serve something."""


def worker_of(site: SmallSite, **options: Any) -> Worker[Deps]:
    worker = Worker(site.queue, site.redis.url, lifespan=lifespan, **options)
    worker.include(jobs)
    return worker


@pytest.fixture
async def program(site: SmallSite) -> AsyncIterator[Process]:
    """The runnable workers as a process, not yet started."""
    process = make_program(site, "tests.support.runnable:worker")
    yield process
    await process.kill()


def make_program(site: SmallSite, *arguments: str) -> Process:
    command = (sys.executable, "-m", "bullmq_consumer", *arguments)
    env = {**os.environ, "QUEUE": site.queue, "REDIS_URL": site.redis.url}
    return Process(command, site.folder / "program.log", cwd=ROOT, env=env)


async def start(program: Process, site: SmallSite) -> None:
    await program.start(logged(program.log, f"Queue {site.queue} at "))


# -- in an application ------------------------------------------------------------------------


async def test_it_runs_inside_of_an_application(site: SmallSite) -> None:
    worker = worker_of(site)
    async with worker.running():
        sent = await site.add("send", GOOD)
        await site.app.wait_for(sent, "completed")
        pictured = await site.add("thumbnail", GOOD)
        await site.app.wait_for(pictured, "completed")
        health = worker.health()
        assert (health.live, health.ready, health.why_not) == (True, True, "")
        assert health.last_fetch is not None
        with pytest.raises(RuntimeError, match="runs already"):
            async with worker.running():
                pass
    job = await site.app.job(pictured)
    assert job is not None
    assert job.returnvalue == 1.5
    assert not worker.health().ready
    # `send` releases its id, and has added the job that nobody serves here.
    assert await site.app.job(sent) is None
    assert await site.app.job("track_m1") is not None


async def test_while_it_stops_it_is_not_ready(site: SmallSite) -> None:
    worker = Worker(site.queue, site.redis.url)
    seen: list[Health] = []

    @worker.job("x")
    async def last(job: Job) -> None:
        await job.progress(1)
        await job.wait_stop()
        seen.append(worker.health())

    async with worker.running():
        job_id = await site.add("x", {})
        await site.app.wait_for(job_id, "progress")
    [health] = seen
    assert (health.live, health.ready, health.why_not) == (True, False, "The worker stops")


async def test_it_waits_for_redis_beside_the_application() -> None:
    worker = Worker("q", f"redis://127.0.0.1:{free_port()}")
    worker.include(other_jobs)
    async with worker.running():
        health = worker.health()
        assert (health.live, health.ready) == (True, False)
        assert health.why_not.startswith("Redis has not answered yet: redis://127.0.0.1")


async def test_what_waits_is_drained(site: SmallSite) -> None:
    for number in range(3):
        await site.add("echo", {"n": number})
    later = await site.add("echo", {}, delay=3_600_000)
    assert await worker_of(site).drain() == 3
    assert await worker_of(site).drain() == 0
    counts = await site.app.counts()
    assert (counts["completed"], counts["delayed"], counts["waiting"]) == (3, 1, 0)
    assert await site.app.job(later) is not None


async def test_a_name_that_nobody_serves_goes_back_for_a_while(site: SmallSite) -> None:
    async with worker_of(site).running():
        job_id = await site.add("from-tomorrow", {}, attempts=1)
        await site.app.wait_for(job_id, "delayed")
    job = await site.app.job(job_id)
    assert job is not None
    assert job.attempts_made == 0


async def test_or_fails_at_once_if_the_worker_says_so(site: SmallSite) -> None:
    worker = worker_of(site, unknown="fail")
    heard: list[tuple[str, object]] = []

    @worker.on_invalid
    async def invalid(job: Job[Any, Deps], reason: str) -> None:
        heard.append((job.name, job.data))

    async with worker.running():
        job_id = await site.add("from-tomorrow", {"a": 1})
        await site.app.wait_for(job_id, "failed")
    job = await site.app.job(job_id)
    assert job is not None
    served = "echo, send, thumbnail"
    assert job.failed_reason == f"No handler is called 'from-tomorrow' here, only {served}"
    assert heard == [("from-tomorrow", {"a": 1})]


async def test_an_attempt_is_cancelled_on_request(site: SmallSite) -> None:
    worker, begun = worker_of(site), asyncio.Event()

    @worker.job("patient")
    async def patient(job: Job) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with worker.running():
        job_id = await site.add("patient", {}, attempts=1)
        await begun.wait()
        assert worker.cancel(job_id)
        assert not worker.cancel("another")
        await site.app.wait_for(job_id, "failed")
    job = await site.app.job(job_id)
    assert job is not None
    assert job.failed_reason == "The attempt was cancelled on request"


async def test_the_delay_of_retry_after_is_the_queues(site: SmallSite) -> None:
    worker = Worker(site.queue, site.redis.url, lifespan=busy)
    worker.include(jobs)
    async with worker.running():
        job_id = await site.add("send", GOOD, attempts=2, backoff={"type": "fixed", "delay": 1})
        await site.app.wait_for(job_id, "delayed")
    job = await site.app.job(job_id)
    assert job is not None
    assert (job.attempts_made, job.delay) == (1, 7000)


@asynccontextmanager
async def busy() -> AsyncGenerator[Deps]:
    """A mail server that answers 429."""
    yield Deps(Mailer(busy=True))


async def test_one_that_is_cancelled_hands_its_jobs_back_before_its_lifespan_ends(
    site: SmallSite,
) -> None:
    worker, ended = worker_of(site, grace=timedelta(0)), list[str]()

    @worker.job("patient")
    async def patient(job: Job) -> None:
        await job.progress(1)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("job")

    serving = asyncio.create_task(worker.serve(asyncio.Event()))
    job_id = await site.add("patient", {}, attempts=1)
    await site.app.wait_for(job_id, "progress")
    serving.cancel()
    await asyncio.wait({serving})
    job = await site.app.job(job_id)
    assert job is not None
    assert (job.state, job.attempts_made, ended) == ("waiting", 0, ["job"])


async def test_a_drain_runs_what_goes_back_at_once_too(site: SmallSite) -> None:
    worker = worker_of(site, concurrency=3)

    @worker.job("again")
    async def again(job: Job) -> None:
        if job.attempt < 3:
            raise RetryableError("not yet")

    for _ in range(5):
        await site.add("again", {}, attempts=3)
    assert await worker.drain() == 15
    assert (await site.app.counts())["completed"] == 5


async def test_a_job_that_asks_to_go_back_at_once_is_bounded_and_not_taken_for_stopped(
    site: SmallSite,
) -> None:
    worker = worker_of(site)

    @worker.job("now", max_requeues=3)
    async def now(job: Job) -> None:
        raise RequeueLater(reason="not yet")

    job_id = await site.add("now", {}, attempts=2)
    assert await worker.drain() == 5
    job = await site.app.job(job_id)
    assert job is not None
    assert (job.state, job.attempts_made, job.failed_reason) == ("failed", 2, "not yet")
    async with Redis.from_url(site.redis.url) as redis:
        assert not await redis.hexists(f"bull:{site.queue}:{job_id}", "handBacks")


async def test_a_drain_leaves_a_queue_that_is_held_up(site: SmallSite) -> None:
    worker = worker_of(site)

    @worker.job("limited")
    async def limited(job: Job) -> None:
        raise RequeueLater(timedelta(hours=1), "too many", whole_queue=True)

    await site.add("limited", {})
    assert await worker.drain() == 1


# -- as a program -----------------------------------------------------------------------------


async def test_a_drain_can_be_stopped(site: SmallSite) -> None:
    drain = make_program(site, "tests.support.runnable:worker", "--drain")
    job_id = await site.add("patient", {}, attempts=1)
    await drain.start()
    await site.app.wait_for(job_id, "progress")
    drain.signal(signal.SIGTERM)
    assert await drain.wait(60) == ExitCode.STOPPED
    job = await site.app.job(job_id)
    assert job is not None
    assert (job.state, job.attempts_made) == ("waiting", 0)


async def test_a_drain_without_redis_says_so_in_one_line(site: SmallSite) -> None:
    code, printed = await asked(site, "tests.support.runnable:homeless", "--drain")
    assert (code, len(printed.splitlines())) == (1, 1), printed
    assert "Redis" in printed


async def test_a_script_without_a_guard_starts_no_second_worker(site: SmallSite) -> None:
    """An isolated handler's process imports the script again."""
    script = site.folder / "unguarded.py"
    script.write_text(UNGUARDED, "utf-8")
    env = {**os.environ, "QUEUE": site.queue, "REDIS_URL": site.redis.url, "PYTHONPATH": str(ROOT)}
    program = Process((sys.executable, str(script)), site.folder / "log", cwd=ROOT, env=env)
    await start(program, site)
    try:
        job_id = await site.add("x", {}, attempts=1)
        await site.app.wait_for(job_id, "failed")
    finally:
        await program.kill()
    job = await site.app.job(job_id)
    assert job is not None
    assert job.failed_reason == "The job's process ended by itself, with exit code 1"
    assert 'put that below `if __name__ == "__main__":`' in program.log_tail(100)


UNGUARDED = """
import logging, os, sys
from bullmq_consumer import SyncJob, Worker, run
worker = Worker(os.environ["QUEUE"], os.environ["REDIS_URL"])
logging.basicConfig(level="INFO")

@worker.job("x", isolate=True)
def x(job: SyncJob) -> None: ...

sys.exit(run(worker))
"""


async def test_handlers_that_block_for_longer_than_a_lock_keep_it(
    site: SmallSite, program: Process
) -> None:
    """40 s in a thread, and in C code that holds its interpreter; locks last 30 s."""
    await start(program, site)
    job_ids = [await site.add(name, {"seconds": 40}) for name in ("block", "hold")]
    for job_id in job_ids:
        await site.app.wait_for(job_id, "active")
    async with worker_of(site).running():  # looks for lost jobs, too
        for job_id in job_ids:
            await site.app.wait_for(job_id, "completed")
    for job_id in job_ids:
        assert len(site.app.events_of(job_id, "active")) == 1
        assert site.app.events_of(job_id, "stalled") == []


async def test_a_process_that_is_killed_costs_one_attempt(
    site: SmallSite, program: Process
) -> None:
    await start(program, site)
    job_id = await site.add("work", {"end": "kill"}, attempts=2)
    await site.app.wait_for(job_id, "failed")
    job = await site.app.job(job_id)
    assert job is not None
    assert job.failed_reason == "The job's process was killed by SIGKILL: out of memory?"
    assert job.attempts_made == 2
    again = await site.add("work", {})
    await site.app.wait_for(again, "completed")


@pytest.mark.parametrize("name", ["patient", "obedient", "stubborn", "endless"])
async def test_a_stop_hands_back_what_runs_at_no_attempts_cost(
    site: SmallSite, program: Process, name: str
) -> None:
    await start(program, site)
    job_id = await site.add(name, {}, attempts=1)
    await site.app.wait_for(job_id, "progress")
    program.signal(signal.SIGTERM)
    assert await program.wait(60) == ExitCode.STOPPED
    job = await site.app.job(job_id)
    assert job is not None
    assert (job.state, job.attempts_made) == ("waiting", 0)
    left = "goes on although its attempt is over" in program.log_tail(100)
    assert left == (name == "stubborn")


async def test_it_ends_by_itself_when_idle(site: SmallSite) -> None:
    idle = make_program(site, "tests.support.runnable:worker", "--idle-exit", "2s")
    await start(idle, site)
    job_id = await site.add("echo", {})
    await site.app.wait_for(job_id, "completed")
    assert await idle.wait(60) == ExitCode.STOPPED
    assert "No job for 0:00:02: the worker ends" in idle.log_tail(20)


async def test_its_health_is_a_page(site: SmallSite) -> None:
    port = free_port()
    program = make_program(site, "tests.support.runnable:worker", "--health-port", str(port))
    await start(program, site)
    try:
        job_id = await site.add("echo", {})
        await site.app.wait_for(job_id, "completed")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            ready = await client.get("/readyz")
            [shown] = ready.json()["workers"]
            assert (ready.status_code, shown["queue"], shown["ready"]) == (200, site.queue, True)
            assert (await client.get("/livez")).status_code == 200
            assert (await client.get("/else")).status_code == 404
            assert (await client.post("/livez")).status_code == 405
    finally:
        await program.kill()


async def test_a_port_that_is_taken_is_one_sentence(site: SmallSite) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, printed = await asked(
            site, "tests.support.runnable:worker", "--health-port", str(port)
        )
    assert (code, len(printed.splitlines())) == (1, 1), printed
    assert f"The health page cannot listen on 127.0.0.1:{port}" in printed


async def asked(site: SmallSite, *arguments: str) -> tuple[int, str]:
    """The exit code of a command that ends by itself, and what it prints."""
    program = make_program(site, *arguments)
    await program.start()
    return await program.wait(60), program.log_tail(100)


async def test_check_takes_no_job(site: SmallSite) -> None:
    job_id = await site.add("echo", {})
    code, printed = await asked(site, "tests.support.runnable:worker", "--check")
    names = (
        "block, echo, endless, hold, hold up, log place, logs, obedient, patient, pid, send, slow, "
        "stubborn, thumbnail, work"
    )
    assert (code, f"✓ {site.queue} at {site.redis.url}: {names}" in printed) == (0, True)
    assert site.app.events_of(job_id, "active") == []


async def test_check_names_what_is_wrong(site: SmallSite) -> None:
    code, printed = await asked(site, "tests.support.runnable:empty", "--check")
    assert code == ExitCode.REFUSED
    assert "✗ empty: it has no handler: add a function with @worker.job(name)" in printed
    assert "✗ empty: Redis" in printed


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("runnable", "'runnable' names no worker: write module:variable, such as app:worker"),
        ("no.such:worker", "There is no module 'no.such' here"),
        (
            "tests.support.runnable:nothing",
            "is not there; Workers in tests.support.runnable: ",
        ),
        ("tests.support.runnable:no_worker", "is a int, not a Worker"),
    ],
)
async def test_what_names_no_worker_is_refused(site: SmallSite, named: str, said: str) -> None:
    code, printed = await asked(site, named)
    assert (code, said in printed) == (2, True), printed


async def test_a_worker_without_a_handler_does_not_start(site: SmallSite) -> None:
    code, printed = await asked(site, "tests.support.runnable:empty")
    assert (code, "The worker of empty has no handler: add a @job" in printed) == (1, True)


async def test_its_log_may_be_json(site: SmallSite) -> None:
    code, printed = await asked(site, "tests.support.runnable:worker", "--drain", "--log", "json")
    lines = [json.loads(line) for line in printed.splitlines()]
    assert code == 0
    assert f"The queue {site.queue} is empty: 0 attempts ran" in [line["message"] for line in lines]
    assert all("job_id" not in line for line in lines)


async def test_whose_lines_carry_their_job(site: SmallSite) -> None:
    job_id = await site.add("logs", {})
    code, printed = await asked(site, "tests.support.runnable:worker", "--drain", "--log", "json")
    lines = [json.loads(line) for line in printed.splitlines()]
    of_job = {"queue": site.queue, "job_id": job_id, "job_name": "logs", "attempt": 1}
    texts = [line["message"].partition(":")[0] for line in lines if of_job.items() <= line.items()]
    assert (code, texts) == (0, ["Working", "Completed"])


async def test_an_async_handler_that_blocks_is_named(program: Process, site: SmallSite) -> None:
    await start(program, site)
    _, line = inspect.getsourcelines(hold_up.registered.function)
    named = logged(program.log, f"tests/support/runnable.py:{line + 3} in hold_up")
    await site.add("hold up", {})
    async with asyncio.timeout(60):
        while not await named():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert "WARNING The event loop was blocked for " in program.log_tail(100)
