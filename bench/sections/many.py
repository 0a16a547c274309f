"""Many storyboard jobs in flight in one worker, each of which waits for its pictures."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import psutil

from bench.contenders import python_worker
from bench.figure import Figure, at_most
from bench.sections.memory import resident_mib
from bench.setup import Bench
from bench.site import Site
from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import LOOPBACK, Process, free_port

_SHOTS = 2
_PATH = "/ark/*"
_LAG = re.compile(rb"^vidfab_worker_event_loop_lag_seconds(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
# The metric is the largest delay of the last minute.
_LOOKS_EVERY_S = 5.0
# With fewer jobs the CPU time of a picture is mostly chance.
_FEWEST_JOBS = 6
# Of the CPU time of a picture, to that with 50 jobs.
_FLAT_FROM, _FLAT = 50, 1.3


@dataclass
class _Curve:
    """What one worker took with so many jobs in flight; `largest_lag_ms` is of its event loop."""

    at_once: int
    cpu_ms: float = 0.0
    job_kib: float = 0.0
    largest_lag_ms: float = 0.0
    largest_mib: float = 0.0


async def measure(bench: Bench) -> list[Figure]:
    control = bench.vidfab.providers.control
    await control.delay(_PATH, bench.sizes.many_picture_s)
    try:
        curve = [await _with(bench, at_once) for at_once in bench.sizes.many]
    finally:
        await control.delay(_PATH, 0)
    return [figure for one in curve for figure in _figures(one, curve)]


def _figures(one: _Curve, curve: list[_Curve]) -> list[Figure]:
    base = next((other for other in curve if other.at_once == _FLAT_FROM), None)
    flat = None
    if base is not None and one.at_once > base.at_once:
        flat = at_most(_FLAT * base.cpu_ms)
    what = f"{one.at_once} storyboard jobs in flight"
    return [
        Figure(f"{what}: CPU by the picture, bought and stored", "ms", [one.cpu_ms], goal=flat),
        Figure(f"{what}: memory by the job", "KiB", [one.job_kib]),
        Figure(f"{what}: largest lag of the loop", "ms", [one.largest_lag_ms], goal=at_most(250)),
    ]


async def _with(bench: Bench, at_once: int) -> _Curve:
    jobs = max(at_once, _FEWEST_JOBS)
    port = free_port()
    worker = python_worker(bench.vidfab, bench.folder, HEALTH_PORT=str(port))
    async with Site(worker, at_once) as site:
        process = await site.start_worker()
        await _add(bench, site, 1)  # the code is loaded, and the first connections are there
        await site.drain()
        curve = _Curve(at_once)
        before_mib, before_s, since = resident_mib(process), site.cpu_s(), await site.mark()
        async with _watched(curve, process, port):
            await site.app.pause()
            await _add(bench, site, jobs)
            await site.app.resume()
            await site.drain()
        curve.cpu_ms = (site.cpu_s() - before_s) * 1000 / (jobs * _SHOTS)
        curve.job_kib = (curve.largest_mib - before_mib) * 1024 / at_once
        await site.events(since, completed=jobs * (1 + _SHOTS))
    return curve


async def _add(bench: Bench, site: Site, jobs: int) -> None:
    """Each of a project and a person of its own, as the app adds them."""
    supabase = bench.vidfab.supabase
    shots = [Shot(number, f"Shot {number}") for number in range(1, _SHOTS + 1)]
    for _ in range(jobs):
        project = await create_project(supabase, await create_user(supabase), shots)
        await enqueue_storyboards(site.app, supabase, project)


@asynccontextmanager
async def _watched(curve: _Curve, process: Process, port: int) -> AsyncGenerator[None]:
    looking = asyncio.create_task(_look(curve, process, port))
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _look(curve: _Curve, process: Process, port: int) -> None:
    url = f"http://{LOOPBACK}:{port}/metrics"
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        while psutil.pid_exists(process.pid):
            curve.largest_mib = max(curve.largest_mib, resident_mib(process))
            found = _LAG.search((await client.get(url)).raise_for_status().content)
            assert found, "the metric of the loop's lag"
            curve.largest_lag_ms = max(curve.largest_lag_ms, float(found[1]) * 1000)
            await asyncio.sleep(_LOOKS_EVERY_S)
