"""Whoever reads the log may stop reading, go away, or never have been there: jobs go on."""

import asyncio
import os
import signal
import sys

import httpx
import pytest

from sandbox.processes import LOOPBACK, PATIENCE_S, Process, answers, free_port
from sandbox.worker_process import READY, ROOT
from tests.support.site import Site
from tests.support.stopwatch import Stopwatch

JOBS = 600
CLOSED = {"stdout": ">&-", "all three": "<&- >&- 2>&-"}


def _worker(site: Site, *, port: int, closed: str = "", log_format: str = "pretty") -> Process:
    """With pipes that nobody reads, or without what `closed` closes."""
    settings = {"HEALTH_PORT": str(port), "LOG_FORMAT": log_format}
    env_file = site.folder / "worker.env"
    lines = site.vidfab.settings(site.queue, **settings).items()
    env_file.write_text("".join(f'{name}="{text}"\n' for name, text in lines), "utf-8")
    command = [sys.executable, "worker.py", "--env-file", str(env_file)]
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *command]
    log = site.folder / "worker.log"
    return Process(shell if closed else command, log, cwd=ROOT, pipes=not closed)


async def _stops(worker: Process) -> None:
    stop = Stopwatch(worker)
    worker.signal(signal.SIGTERM)
    code, took_s = await stop.end_of(worker)
    assert code == 0
    assert took_s < 10


@pytest.mark.parametrize("log_format", ["pretty", "json"])
async def test_jobs_go_on_when_nobody_reads_the_log(site: Site, log_format: str) -> None:
    port = free_port()
    ready = f"http://{LOOPBACK}:{port}/readyz"
    worker = _worker(site, port=port, log_format=log_format)
    await worker.start(answers(ready))
    try:
        job_ids = [await site.app.add("no_such_job", {}, {"priority": 3}) for _ in range(JOBS)]
        for job_id in job_ids:
            await site.app.wait_for(job_id, "failed")
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
            assert (await client.get(ready)).status_code == 200
        await _stops(worker)
    finally:
        await worker.kill()


async def test_jobs_go_on_when_the_reader_goes_away(site: Site) -> None:
    worker = _worker(site, port=free_port())
    await worker.start()
    try:
        while READY.encode() not in await asyncio.to_thread(worker.stdout.readline):
            pass
        worker.stdout.close()
        for _ in range(3):
            await site.end_of(await site.app.add("no_such_job", {}, {"priority": 3}))
        await _stops(worker)
    finally:
        await worker.kill()
    said = worker.log.read_text("utf-8")
    assert said == "Log lines cannot be written: [Errno 32] Broken pipe\n"


@pytest.mark.parametrize("closed", CLOSED.values(), ids=CLOSED.keys())
async def test_a_worker_runs_without_standard_streams(site: Site, closed: str) -> None:
    port = free_port()
    worker = _worker(site, port=port, closed=closed)
    await worker.start(answers(f"http://{LOOPBACK}:{port}/readyz"))
    try:
        await site.end_of(await site.app.add("no_such_job", {}, {"priority": 3}))
        if sys.platform == "linux":  # else a socket would take the place, and get what is printed
            assert os.readlink(f"/proc/{worker.pid}/fd/1") == os.devnull
        await _stops(worker)
    finally:
        await worker.kill()
    assert not worker.log.read_bytes()
