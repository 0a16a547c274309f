"""The smallest jobs a second over a backlog, and the CPU time of each."""

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.backlog import Run, run_backlog
from bench.contenders import NOTHING, Contender, node_worker
from bench.figure import Figure, Goal, at_least, in_turn
from bench.setup import Bench
from bench.site import Site

_CONCURRENCIES = (3, 20)
_GOALS = {3: at_least(2_535)}
# The code is compiled and the connections are made by then.
_WARM_UP_JOBS = 500

Runs = Sequence[Run]


@dataclass(frozen=True)
class Compared:
    """The runs of one round's workers at one concurrency."""

    python: Runs
    node: Runs
    nothing: Runs

    def figures(self, concurrency: int, goal: Goal | None) -> list[Figure]:
        at = f"concurrency {concurrency}"
        ours, theirs, nothing = map(_speed, (self.python, self.node, self.nothing))
        return [
            Figure(f"smallest jobs a second, {at}", "jobs/s", ours, theirs, goal),
            Figure(f"the same beside Node without progress, {at}", "jobs/s", ours, nothing),
            Figure(f"CPU of the worker by the job, {at}", "µs", _cpu(self.python), _cpu(self.node)),
        ]


async def measure(bench: Bench) -> list[Figure]:
    nothing = node_worker(bench.folder, NOTHING)
    compared: dict[int, Compared] = {}
    for concurrency in _CONCURRENCIES:
        workers = (bench.python, bench.node, nothing)
        measured = [_measured(bench, one, concurrency) for one in workers]
        compared[concurrency] = Compared(*await in_turn(bench.rounds, *measured))
    alone = compared[_CONCURRENCIES[0]]
    figures = [one.figures(number, _GOALS.get(number)) for number, one in compared.items()]
    return [*(figure for part in figures for figure in part), await _two(bench, alone)]


def _measured(
    bench: Bench, contender: Contender, concurrency: int, workers: int = 1
) -> Callable[[], Awaitable[Run]]:
    async def run() -> Run:
        async with Site(contender, concurrency) as site:
            await site.start_workers(workers)
            await run_backlog(site, min(_WARM_UP_JOBS, bench.sizes.backlog_jobs))
            return await run_backlog(site, bench.sizes.backlog_jobs)

    return run


async def _two(bench: Bench, alone: Compared) -> Figure:
    """Two processes by the median of one, for either worker."""
    measured = [
        _measured(bench, one, _CONCURRENCIES[0], workers=2) for one in (bench.python, bench.node)
    ]
    ours, theirs = await in_turn(bench.rounds, *measured)
    one, other = (statistics.median(_speed(runs)) for runs in (alone.python, alone.node))
    return Figure(
        "two processes by one, concurrency 3 each",
        "×",
        [speed / one for speed in _speed(ours)],
        [speed / other for speed in _speed(theirs)],
        at_least(1.7),
    )


def _speed(runs: Runs) -> list[float]:
    return [one.jobs_per_s for one in runs]


def _cpu(runs: Runs) -> list[float]:
    return [one.cpu_us_per_job for one in runs]
