"""How soon an idle worker takes a job, and how late a delayed one begins."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import fmean, median

from bench.figure import Figure, Goal, at_most, counted
from bench.setup import Bench
from bench.site import Entry, Site

_PAUSE_S = (0.05, 0.4)
_DELAY_MS = (500, 5_000)
# The pauses are the same in each run.
_SEED = 1


@dataclass(frozen=True)
class Waits:
    """One worker's, each in ms by Redis's clock."""

    lone: Sequence[int]
    late: Sequence[int]
    delayed: Sequence[int]


async def measure(bench: Bench) -> list[Figure]:
    """Both workers live at the same time and are given jobs by turns: none works meanwhile."""
    async with AsyncExitStack() as stack:
        sites = [await stack.enter_async_context(Site(one)) for one in (bench.python, bench.node)]
        for site in sites:
            await site.start_worker()
        ours, theirs = await _waits(bench, sites)
    return [
        *_figures("a job's wait for an idle worker", ours.lone, theirs.lone, at_most(5)),
        *_figures("the same after 10 s of rest", ours.late, theirs.late, at_most(5)),
        *_figures("lateness of a delayed job", ours.delayed, theirs.delayed, at_most(100)),
    ]


async def _waits(bench: Bench, sites: Sequence[Site]) -> list[Waits]:
    pauses = random.Random(_SEED)
    sizes = bench.sizes
    lone = await _one_by_one(sites, [pauses.uniform(*_PAUSE_S) for _ in range(sizes.lone_jobs)])
    late = await _one_by_one(sites, [sizes.late_after_s] * sizes.late_jobs)
    delays = [pauses.randint(*_DELAY_MS) for _ in range(sizes.delayed_jobs)]
    delayed = [await _delayed(site, delays) for site in sites]
    return [Waits(*one) for one in zip(lone, late, delayed, strict=True)]


async def _one_by_one(sites: Sequence[Site], pauses: Sequence[float]) -> list[list[int]]:
    """For each site, from `added` to `active` of its jobs; the sites share each pause evenly."""
    marks = [await site.mark() for site in sites]
    for pause in pauses:
        for site in sites:
            await asyncio.sleep(pause / len(sites))
            await site.add()
    waits: list[list[int]] = []
    for site, mark in zip(sites, marks, strict=True):
        await site.drain()
        events = await site.events(mark, completed=len(pauses))
        added = {one.job_id: one.at_ms for one in events if one.name == "added"}
        waits.append([at - added[job_id] for job_id, at in _begins(events)])
    return waits


async def _delayed(site: Site, delays_ms: Sequence[int]) -> list[int]:
    """From the time that a job was to begin until it did."""
    mark = await site.mark()
    for delay_ms in delays_ms:
        await site.add(delay_ms=delay_ms)
    await site.drain()
    events = await site.events(mark, completed=len(delays_ms))
    due = {one.job_id: int(one.args["delay"]) for one in events if one.name == "delayed"}
    return [at - due[job_id] for job_id, at in _begins(events)]


def _begins(events: Sequence[Entry]) -> list[tuple[str, int]]:
    return [(one.job_id, one.at_ms) for one in events if one.name == "active"]


def _figures(what: str, ours: Sequence[int], theirs: Sequence[int], goal: Goal) -> list[Figure]:
    """Of all jobs together: a round has too few for a 99th percentile."""
    over = counted(len(ours), "job")
    return [
        Figure(f"{what}, mean", "ms", [fmean(ours)], [fmean(theirs)], over=over),
        Figure(f"{what}, p50", "ms", [median(ours)], [median(theirs)], over=over),
        Figure(f"{what}, p99", "ms", [p99(ours)], [p99(theirs)], goal, over),
    ]


def p99(waits: Sequence[int]) -> float:
    """The smallest that 99 % do not exceed: the largest of less than a hundred."""
    return sorted(waits)[-(-99 * len(waits) // 100) - 1]
