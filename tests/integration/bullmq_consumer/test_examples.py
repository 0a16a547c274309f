"""The programs of examples/, run as their readers run them; test_wheel.py has hello.py."""

import os
import signal
import sys
import zlib
from pathlib import Path
from typing import Any

import httpx

from sandbox.processes import Process, answers, free_port
from sandbox.redis import RedisServer
from sandbox.worker_process import ROOT
from tests.support.apps import Apps
from tests.support.pages import Page

EXAMPLES = ROOT / "examples"


def program(folder: Path, *arguments: str, redis: str = "redis://127.0.0.1:1") -> Process:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "REDIS_URL": redis}
    command = (sys.executable, "-m", *arguments)
    return Process(command, folder / "program.log", cwd=EXAMPLES, env=env)


async def test_work_that_blocks_ends_and_a_pattern_without_end_is_killed(
    server: RedisServer, apps: Apps, tmp_path: Path
) -> None:
    app = await apps.on("texts")
    await app.observe("0-0")
    pack = await app.add("pack", {"parts": ["a" * 1000, "b" * 1000]})
    search = await app.add("search", {"pattern": "b+", "text": "abba b"})
    unreadable = await app.add("search", {"pattern": "(", "text": ""}, {"attempts": 3})
    endless = await app.add("search", {"pattern": "(a+)+b", "text": "a" * 100})
    worker = program(tmp_path, "bullmq_consumer", "texts:worker", "--drain", redis=server.url)
    await worker.start()
    assert await worker.wait(60) == 0
    jobs = {one: await app.job(one) for one in (pack, search, unreadable, endless)}
    missing = "missing ), unterminated subpattern at position 0"
    ends = {one: job and (job.returnvalue or job.failed_reason) for one, job in jobs.items()}
    assert ends == {
        pack: {"bytes": len(zlib.compress(b"a" * 1000 + b"b" * 1000))},
        search: ["bb", "b"],
        unreadable: f"The pattern cannot be read: {missing}",
        endless: "The job ran longer than 0:00:05",
    }


async def test_a_web_application_runs_a_worker(
    server: RedisServer, apps: Apps, tmp_path: Path
) -> None:
    port = free_port()
    options = ("web:app", "--host", "127.0.0.1", "--port", str(port))
    web = program(tmp_path, "uvicorn", *options, redis=server.url)
    try:
        app = await apps.on("hello")
        await app.observe("0-0")
        await web.start(answers(f"http://127.0.0.1:{port}/readyz"))
        job = await app.add("send", {"text": "Hi!"})
        await app.wait_for(job, "completed")
        async with httpx.AsyncClient(timeout=60) as client:
            ready = (await client.get(f"http://127.0.0.1:{port}/readyz")).json()
        assert (ready["ready"], ready["whyNot"]) == (True, "")
        web.signal(signal.SIGTERM)
        assert await web.wait(60) in (0, -signal.SIGTERM)
        assert "Application shutdown complete" in web.log_tail(20)
    finally:
        await web.kill()


async def test_its_tests_pass(tmp_path: Path) -> None:
    """By a pytest that knows nothing of this project's settings."""
    settings = tmp_path / "pytest.ini"
    settings.write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    options = ("-q", "-c", str(settings), "-p", "no:cacheprovider", "test_hello.py")
    tests = program(tmp_path, "pytest", *options)
    await tests.start()
    code = await tests.wait(60)
    assert (code, "4 passed" in tests.log_tail(100)) == (0, True), tests.log_tail(100)


async def test_the_test_with_a_redis_passes(server: RedisServer) -> None:
    """Of the page about tests."""
    names: dict[str, Any] = {"__name__": "page"}
    blocks = Page(ROOT / "bullmq_consumer/docs/testing.md").blocks
    for block in blocks[1:]:
        exec(block.text.replace("redis://127.0.0.1:6379", server.url), names)
    await names["test_a_job_of_the_queue"]()
