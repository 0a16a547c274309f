"""What a worker costs in Redis commands, idle and by the job, with Node's worker beside it.

    python -m bench.redis_cost [--idle-s 120]

Each worker has a Redis of its own; what the app and the benchmark send themselves is left out.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.commands_sent import Count, counting
from sandbox.app import NodeApp, Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import LOOPBACK, Process, free_port
from sandbox.producer import start_consumer
from sandbox.redis import RedisServer
from sandbox.vidfab import VidFab
from sandbox.worker_process import start_worker

_QUEUE = "bench-cost"
_CONCURRENCIES = (3, 20)
_SMALL_JOBS = 10
_BACKLOG = 100
_SHOTS = 3
_PATHS = ("/readyz", "/metrics")
# After its start, and after a job, a worker asks a few things before it waits again.
_SETTLE_S = 3.0
_A_DAY_S = 24 * 3600
# The app's own options; each job is added when the one before it has ended.
_OPTIONS = {"priority": 3, "attempts": 3}
# Node's bare worker reports progress once and returns, as the smallest job of the app does.
_PYTHON_JOB = (
    "update_quota",
    {"userId": "00000000-0000-4000-8000-000000000001", "operation": "add"},
)
_NODE_JOB = ("progress", {"step": 101})

Start = Callable[[str, int], Awaitable[Process]]
"""Starts a worker on a Redis URL with a concurrency."""

Job = tuple[str, Mapping[str, Any]]
"""A job's name and payload."""

Measure = Callable[[Start, Job], Awaitable[tuple[float, Count]]]
"""Commands for one job, and which."""


@dataclass(frozen=True)
class Figure:
    """One row of the table: commands that the two workers sent, each with its most frequent."""

    what: str
    python: float
    python_commands: Count
    node: float | None = None

    def row(self) -> str:
        """As a row of Markdown."""
        node = "" if self.node is None else f"{self.node:,.0f}"
        ratio = "" if not self.node else f"{self.python / self.node:.2f}"
        most = ", ".join(f"{name} {n}" for name, n in self.python_commands.most_common(4))
        return f"| {self.what} | {self.python:,.0f} | {node} | {ratio} | {most} |"


async def _idle(start: Start, concurrency: int, seconds: float) -> Count:
    """What a worker without jobs sends in that time."""
    async with RedisServer() as server, counting(server) as count:
        worker = await start(server.url, concurrency)
        await asyncio.sleep(_SETTLE_S)
        count.clear()
        await asyncio.sleep(seconds)
        found = count.copy()
        await worker.stop()
    return found


@asynccontextmanager
async def _at_work(server: RedisServer, start: Start) -> AsyncIterator[tuple[NodeApp, Count]]:
    """An idle worker of concurrency 3, the app that can add jobs, and the count."""
    async with NodeApp(server.url, _QUEUE) as app:
        await app.observe("0-0")
        await app.counts()
        async with counting(server) as count:
            worker = await start(server.url, 3)
            try:
                await asyncio.sleep(_SETTLE_S)
                yield app, count
            finally:
                await worker.stop()


async def _single_jobs(start: Start, job: Job) -> tuple[float, Count]:
    """Commands for one job that comes while nothing else is there: the median of ten."""
    found: list[Count] = []
    async with RedisServer() as server, _at_work(server, start) as (app, count):
        for number in range(_SMALL_JOBS):
            count.clear()
            await _add(app, job, number)
            await app.wait_for(f"j{number}", "completed")
            await asyncio.sleep(_SETTLE_S / 3)
            found.append(count.copy())
    found.sort(key=lambda one: one.total())
    return statistics.median(one.total() for one in found), found[len(found) // 2]


async def _backlog(start: Start, job: Job) -> tuple[float, Count]:
    """Commands for each of a hundred jobs that wait together."""
    async with RedisServer() as server, _at_work(server, start) as (app, count):
        await app.pause()
        for number in range(_BACKLOG):
            await _add(app, job, number)
        await asyncio.sleep(_SETTLE_S / 3)
        count.clear()
        await app.resume()
        for number in range(_BACKLOG):
            await app.wait_for(f"j{number}", "completed")
        await asyncio.sleep(_SETTLE_S / 3)
        sent = count.copy()
    each = Counter({name: round(n / _BACKLOG) for name, n in sent.items() if n >= _BACKLOG / 2})
    return sent.total() / _BACKLOG, each


async def _add(app: NodeApp, job: Job, number: int) -> None:
    name, data = job
    await app.add(name, data, {**_OPTIONS, "jobId": f"j{number}"})


async def _storyboards(vidfab: VidFab, start: Start) -> tuple[float, Count]:
    """Commands for three pictures, bought, stored and shown: four jobs."""
    user = await create_user(vidfab.supabase)
    shots = [Shot(number, f"Shot {number}") for number in range(1, _SHOTS + 1)]
    project = await create_project(vidfab.supabase, user, shots)
    async with _at_work(vidfab.redis, start) as (app, count):
        count.clear()
        await enqueue_storyboards(app, vidfab.supabase, project)
        async with asyncio.timeout(60):
            await app.wait_until(lambda: _ends(app) == 1 + _SHOTS)
        await asyncio.sleep(_SETTLE_S / 3)
        sent = count.copy()
    return float(sent.total()), sent


async def _asked(vidfab: VidFab, folder: Path, path: str) -> tuple[float, Count]:
    """Commands for one look at an endpoint of an idle worker, seldom enough to be no cached one."""
    port = free_port()

    async def start(url: str, _: int) -> Process:
        settings = vidfab.settings(_QUEUE, BULLMQ_REDIS_URL=url, HEALTH_PORT=str(port))
        return await start_worker(settings, folder)

    async with RedisServer() as server, _at_work(server, start) as (_, count):
        for _ in range(2):  # the first one also connects
            await asyncio.sleep(2 * _SETTLE_S)
            count.clear()
            await _get(port, path)
        await asyncio.sleep(_SETTLE_S / 3)
        return float(count.total()), count.copy()


async def _get(port: int, path: str) -> None:
    async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}") as client:
        (await client.get(path)).raise_for_status()


def _ends(app: NodeApp) -> int:
    return sum(event.name == "completed" for event in app.events)


async def measure(folder: Path, idle_s: float) -> list[Figure]:
    """All rows of the table."""
    async with VidFab(plain=True) as vidfab:

        async def python(url: str, concurrency: int) -> Process:
            settings = vidfab.settings(_QUEUE, BULLMQ_REDIS_URL=url)
            return await start_worker(settings, folder, "--concurrency", str(concurrency))

        async def node(url: str, concurrency: int) -> Process:
            return await start_consumer(url, _QUEUE, folder, concurrency=concurrency)

        return [
            *await _idle_figures(python, node, idle_s),
            await _figure("one small job", _single_jobs, python, node),
            await _figure(f"one of {_BACKLOG} small jobs", _backlog, python, node),
            Figure(f"storyboards of {_SHOTS} shots (4 jobs)", *await _storyboards(vidfab, python)),
            *[Figure(f"one GET of {path}", *await _asked(vidfab, folder, path)) for path in _PATHS],
        ]


async def _figure(what: str, measured: Measure, python: Start, node: Start) -> Figure:
    """One after the other, so that neither slows the other."""
    ours, commands = await measured(python, _PYTHON_JOB)
    theirs, _ = await measured(node, _NODE_JOB)
    return Figure(what, ours, commands, theirs)


async def _idle_figures(python: Start, node: Start, seconds: float) -> list[Figure]:
    """All four workers at the same time, as they only wait."""
    pairs = [(start, concurrency) for concurrency in _CONCURRENCIES for start in (python, node)]
    counts = await asyncio.gather(*(_idle(start, number, seconds) for start, number in pairs))
    days = _A_DAY_S / seconds
    return [
        Figure(
            f"idle for a day, concurrency {concurrency}",
            counts[2 * index].total() * days,
            counts[2 * index],
            counts[2 * index + 1].total() * days,
        )
        for index, concurrency in enumerate(_CONCURRENCIES)
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Count Redis commands, idle and by the job.")
    parser.add_argument("--idle-s", type=float, default=120, help="how long to watch idle workers")
    idle_s: float = parser.parse_args().idle_s
    with tempfile.TemporaryDirectory(prefix="vidfab-bench-") as folder:
        figures = asyncio.run(measure(Path(folder), idle_s))
    sys.stdout.write("| commands sent | this worker | Node's | ratio | mostly |\n")
    sys.stdout.write("|---|---:|---:|---:|---|\n")
    for figure in figures:
        sys.stdout.write(f"{figure.row()}\n")


if __name__ == "__main__":
    main()
