"""The smallest jobs a second over a backlog, and the CPU time of each."""

from collections.abc import Awaitable, Callable, Sequence

from bench.backlog import Run, run_backlog
from bench.contenders import NOTHING, Contender, node_worker
from bench.figure import Figure, Goal, at_least, in_turn
from bench.setup import Bench
from bench.site import Site

# The code is compiled and the connections are made by then.
_WARM_UP_JOBS = 500

Runs = Sequence[Run]
Measure = Callable[[], Awaitable[Run]]


async def measure(bench: Bench) -> list[Figure]:
    two = [_measured(bench, one, 3, workers=2) for one in (bench.python, bench.node)]
    low = await in_turn(bench.rounds, *_workers(bench, 3), *two)
    high = await in_turn(bench.rounds, *_workers(bench, 20))
    [ours, theirs, _, our_two, their_two] = low
    gains = _gains(our_two, ours), _gains(their_two, theirs)
    return [
        *_figures(3, low, at_least(2_535)),
        *_figures(20, high),
        Figure("two processes by one, concurrency 3 each", "×", *gains, at_least(1.7)),
    ]


def _workers(bench: Bench, concurrency: int) -> list[Measure]:
    nothing = node_worker(bench.folder, NOTHING)
    return [_measured(bench, one, concurrency) for one in (bench.python, bench.node, nothing)]


def _measured(bench: Bench, contender: Contender, concurrency: int, workers: int = 1) -> Measure:
    async def run() -> Run:
        async with Site(contender, concurrency) as site:
            await site.start_workers(workers)
            await run_backlog(site, min(_WARM_UP_JOBS, bench.sizes.backlog_jobs))
            return await run_backlog(site, bench.sizes.backlog_jobs)

    return run


def _figures(concurrency: int, samples: Sequence[Runs], goal: Goal | None = None) -> list[Figure]:
    """Of the workers in the order of `_workers`, the first in `samples`."""
    ours, theirs, nothing = samples[:3]
    at, speed = f"concurrency {concurrency}", _speed(ours)
    return [
        Figure(f"smallest jobs a second, {at}", "jobs/s", speed, _speed(theirs), goal),
        Figure(f"the same beside Node without progress, {at}", "jobs/s", speed, _speed(nothing)),
        Figure(f"CPU of the worker by the job, {at}", "µs", _cpu(ours), _cpu(theirs)),
    ]


def _gains(two: Runs, one: Runs) -> list[float]:
    """Within each round."""
    return [more / less for more, less in zip(_speed(two), _speed(one), strict=True)]


def _speed(runs: Runs) -> list[float]:
    return [one.jobs_per_s for one in runs]


def _cpu(runs: Runs) -> list[float]:
    return [one.cpu_us_per_job for one in runs]
