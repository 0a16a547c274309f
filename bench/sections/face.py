"""What the public face adds to the CPU time of a job that does nothing."""

from collections.abc import Awaitable, Callable

from bench.backlog import run_backlog
from bench.contenders import Contender, bare_worker
from bench.figure import Figure, at_most, in_turn
from bench.setup import Bench
from bench.site import Site

_WARM_UP_JOBS = 500


async def measure(bench: Bench) -> list[Figure]:
    face = bare_worker(bench.folder)
    engine = bare_worker(bench.folder, engine_alone=True)
    both = await in_turn(bench.rounds, _measured(bench, face), _measured(bench, engine))
    [by_face, by_engine] = both
    ratios = [more / less for more, less in zip(by_face, by_engine, strict=True)]
    return [
        Figure("CPU of an empty job by the public face", "µs", by_face),
        Figure("CPU of an empty job by the engine alone", "µs", by_engine),
        Figure("the first by the second", "×", ratios, goal=at_most(1.1)),
    ]


def _measured(bench: Bench, contender: Contender) -> Callable[[], Awaitable[float]]:
    async def run() -> float:
        """Microseconds a job."""
        async with Site(contender) as site:
            await site.start_worker()
            await run_backlog(site, min(_WARM_UP_JOBS, bench.sizes.backlog_jobs))
            return (await run_backlog(site, bench.sizes.backlog_jobs)).cpu_us_per_job

    return run
