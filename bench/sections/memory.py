"""Resident memory before the first job, and after every kind of job has run."""

from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from bench.contenders import Contender, python_worker
from bench.figure import Figure, at_most, in_turn
from bench.setup import Bench
from bench.site import Site
from core.jobs.registry import discover
from sandbox.app import Shot, create_project, create_user
from sandbox.board import jobs_seen
from sandbox.processes import Process, SandboxError
from sandbox.whole_project import WholeProject

_MIB = 1024 * 1024
_SHOTS = 2


@dataclass(frozen=True)
class Memory:
    """PSS counts what is shared with other processes in parts."""

    rss_mib: float
    pss_mib: float


async def measure(bench: Bench) -> list[Figure]:
    async def python() -> Memory:
        return await _idle(bench.python)

    async def node() -> Memory:
        return await _idle(bench.node)

    async def all_kinds() -> float:
        return await _after_all_kinds(bench)

    ours, theirs = await in_turn(bench.rounds, python, node)
    [after] = await in_turn(bench.rounds, all_kinds)
    what = "memory before the first job, 3 s after the start"
    return [
        Figure(f"{what} (RSS)", "MiB", _rss(ours), _rss(theirs), at_most(60)),
        Figure(f"{what} (PSS)", "MiB", _pss(ours), _pss(theirs)),
        Figure("memory after all nine kinds of job (RSS)", "MiB", after, goal=at_most(110)),
    ]


def resident_mib(worker: Process) -> float:
    return psutil.Process(worker.pid).memory_info().rss / _MIB


async def _idle(contender: Contender) -> Memory:
    async with Site(contender) as site:
        worker = await site.start_worker()
        memory = psutil.Process(worker.pid).memory_full_info()
    return Memory(memory.rss / _MIB, memory.pss / _MIB)


def _rss(samples: Sequence[Memory]) -> list[float]:
    return [one.rss_mib for one in samples]


def _pss(samples: Sequence[Memory]) -> list[float]:
    return [one.pss_mib for one in samples]


async def _after_all_kinds(bench: Bench) -> float:
    """A project of two shots, from script to film, and a single video."""
    user = await create_user(bench.vidfab.supabase)
    shots = [Shot(number, f"Shot {number}", duration_seconds=2) for number in range(1, _SHOTS + 1)]
    project = await create_project(bench.vidfab.supabase, user, shots)
    worker = python_worker(bench.vidfab, bench.folder, **bench.vidfab.providers.environment)
    async with Site(worker) as site:
        process = await site.start_worker()
        await site.app.observe()
        await site.watch(WholeProject(bench.vidfab, site.app, project).play())
        await site.drain()
        completed = {one.name for one in jobs_seen(site.app.events) if one.state == "completed"}
        if missing := set(discover().entries()) - completed:
            raise SandboxError(f"The project completed no {', '.join(sorted(missing))}")
        return resident_mib(process)
