"""The Redis commands that a job costs, and those of an endpoint's visitor."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable

import httpx

from bench.commands_sent import counting
from bench.contenders import Contender, python_worker
from bench.figure import Figure, at_most_of_node, in_turn
from bench.setup import Bench
from bench.site import SETTLE_S, Site
from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import LOOPBACK, free_port

_SHOTS = 3
_PATHS = ("/readyz", "/metrics")
_AFTER_JOB_S = 1.0
# Seldom enough that the endpoints answer from no copy.
_BETWEEN_VISITS_S = 2 * SETTLE_S


async def measure(bench: Bench) -> list[Figure]:
    return [
        await _compared(bench, "commands for a job that comes alone", _alone),
        await _compared(bench, f"commands a job in {bench.sizes.burst_jobs}", _burst),
        *await _own(bench),
    ]


async def _compared(
    bench: Bench, what: str, cost: Callable[[Bench, Contender], Awaitable[float]]
) -> Figure:
    async def python() -> float:
        return await cost(bench, bench.python)

    async def node() -> float:
        return await cost(bench, bench.node)

    ours, theirs = await in_turn(bench.rounds, python, node)
    return Figure(what, "number", ours, theirs, at_most_of_node(1))


async def _alone(bench: Bench, contender: Contender) -> float:
    """The median of some jobs, each added when the worker has come to rest."""
    found: list[int] = []
    async with Site(contender) as site, counting(site.redis) as count:
        await site.start_worker()
        for _ in range(bench.sizes.single_jobs):
            count.clear()
            await site.add()
            await site.drain()
            await asyncio.sleep(_AFTER_JOB_S)
            found.append(count.total())
    return statistics.median(found)


async def _burst(bench: Bench, contender: Contender) -> float:
    """Of jobs that wait together."""
    number = bench.sizes.burst_jobs
    async with Site(contender) as site, counting(site.redis) as count:
        await site.start_worker()
        await site.add()  # loads the scripts, once in a worker's life
        await site.drain()
        await site.app.pause()
        await site.add_many(number)
        await asyncio.sleep(_AFTER_JOB_S)
        count.clear()
        await site.app.resume()
        await site.drain()
        await asyncio.sleep(_AFTER_JOB_S)
        return count.total() / number


async def _own(bench: Bench) -> list[Figure]:
    """What Node's bare worker does not do."""
    storyboards = f"commands for storyboards of {_SHOTS} shots, four jobs"
    return [
        Figure(storyboards, "number", [await _storyboards(bench)]),
        *[
            Figure(f"commands for a GET of {path}", "number", [await _visit(bench, path)])
            for path in _PATHS
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


async def _visit(bench: Bench, path: str) -> float:
    port = free_port()
    worker = python_worker(bench.vidfab, bench.folder, HEALTH_PORT=str(port))
    async with (
        Site(worker) as site,
        counting(site.redis) as count,
        httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", trust_env=False) as client,
    ):
        await site.start_worker()
        for _ in range(2):  # the first one also connects
            await asyncio.sleep(_BETWEEN_VISITS_S)
            count.clear()
            (await client.get(path)).raise_for_status()
        await asyncio.sleep(_AFTER_JOB_S)
        return count.total()
