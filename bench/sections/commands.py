"""The Redis commands that a job costs, and those of an endpoint's visitor."""

import asyncio
import statistics
from dataclasses import dataclass

import httpx

from bench.commands_sent import Count, counting
from bench.contenders import Contender, python_worker
from bench.figure import Figure, at_most, at_most_of_node, in_turn
from bench.setup import Bench
from bench.site import Site
from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import LOOPBACK, free_port

_SHOTS = 3
_PATHS = ("/readyz", "/metrics")
_AFTER_JOB_S = 1.0
# Longer than the endpoints answer from a copy.
_COPIES_LIVE_S = 6.0


@dataclass(frozen=True)
class Cost:
    """Commands for one job."""

    alone: float
    in_burst: float


async def measure(bench: Bench) -> list[Figure]:
    async def python() -> Cost:
        return await _cost(bench, bench.python)

    async def node() -> Cost:
        return await _cost(bench, bench.node)

    ours, theirs = await in_turn(bench.rounds, python, node)
    return [
        Figure(
            "commands for a job that comes alone",
            "number",
            [one.alone for one in ours],
            [one.alone for one in theirs],
            at_most_of_node(1),
        ),
        Figure(
            f"commands a job in {bench.sizes.burst_jobs}",
            "number",
            [one.in_burst for one in ours],
            [one.in_burst for one in theirs],
            at_most_of_node(1),
        ),
        *await _own(bench),
    ]


async def _cost(bench: Bench, contender: Contender) -> Cost:
    async with Site(contender) as site, counting(site.redis) as count:
        await site.start_worker()
        alone = await _alone(site, count, bench.sizes.single_jobs)
        return Cost(alone, await _burst(site, count, bench.sizes.burst_jobs))


async def _alone(site: Site, count: Count, jobs: int) -> float:
    """The median of some jobs, each added when the worker has come to rest."""
    found: list[int] = []
    for _ in range(jobs):
        count.clear()
        await site.add()
        await site.drain()
        await asyncio.sleep(_AFTER_JOB_S)
        found.append(count.total())
    return statistics.median(found)


async def _burst(site: Site, count: Count, jobs: int) -> float:
    """Of jobs that wait together."""
    await site.app.pause()
    await site.add_many(jobs)
    await asyncio.sleep(_AFTER_JOB_S)
    count.clear()
    await site.app.resume()
    await site.drain()
    await asyncio.sleep(_AFTER_JOB_S)
    return count.total() / jobs


async def _own(bench: Bench) -> list[Figure]:
    """What Node's bare worker does not do."""
    storyboards = f"commands for storyboards of {_SHOTS} shots, four jobs"
    return [
        Figure(storyboards, "number", [await _storyboards(bench)], goal=at_most(47)),
        *[
            Figure(f"commands for a GET of {path}", "number", [cost])
            for path, cost in zip(_PATHS, await _visits(bench), strict=True)
        ],
    ]


async def _storyboards(bench: Bench) -> float:
    user = await create_user(bench.vidfab.supabase)
    shots = [Shot(number, f"Shot {number}") for number in range(1, _SHOTS + 1)]
    project = await create_project(bench.vidfab.supabase, user, shots)
    async with Site(bench.python) as site, counting(site.redis) as count:
        await site.start_worker()
        count.clear()
        await enqueue_storyboards(site.app, bench.vidfab.supabase, project)
        await site.drain()
        await asyncio.sleep(_AFTER_JOB_S)
        return count.total()


async def _visits(bench: Bench) -> list[float]:
    """For each path, after a first visit, which also connects and loads what it needs."""
    port = free_port()
    worker = python_worker(bench.vidfab, bench.folder, HEALTH_PORT=str(port))
    found: list[float] = []
    async with (
        Site(worker) as site,
        counting(site.redis) as count,
        httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", trust_env=False) as client,
    ):
        await site.start_worker()
        for path in _PATHS:
            (await client.get(path)).raise_for_status()
        # All within half a minute of the start: then a worker looks for stalled jobs.
        await asyncio.sleep(_COPIES_LIVE_S)
        for path in _PATHS:
            count.clear()
            (await client.get(path)).raise_for_status()
            await asyncio.sleep(_AFTER_JOB_S)
            found.append(count.total())
    return found
