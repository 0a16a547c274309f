"""Resident memory over many jobs."""

from collections.abc import Awaitable, Callable, Sequence

from bench.backlog import run_backlog
from bench.contenders import Contender
from bench.figure import Figure, at_most, in_turn
from bench.sections.memory import resident_mib
from bench.setup import Bench
from bench.site import Site

# The pages that an allocator keeps or gives back vary by so much from one look to the next.
_FLAT = 1.05


async def measure(bench: Bench) -> list[Figure]:
    steps = bench.sizes.growth
    workers = [_measured(one, steps) for one in (bench.python, bench.node)]
    [[ours], [theirs]] = await in_turn(1, *workers)
    figures = [
        Figure(f"memory after {step:,} jobs (RSS)", "MiB", [one], [other])
        for step, one, other in zip(steps, ours, theirs, strict=True)
    ]
    growth = [[one[-1] / one[0]] for one in (ours, theirs)]
    what = f"memory after {steps[-1]:,} jobs by that after {steps[0]:,}"
    return [*figures, Figure(what, "×", *growth, goal=at_most(_FLAT))]


def _measured(contender: Contender, steps: Sequence[int]) -> Callable[[], Awaitable[list[float]]]:
    async def grown() -> list[float]:
        """MiB after each step; steps count from the start."""
        found: list[float] = []
        async with Site(contender) as site:
            worker = await site.start_worker()
            done = 0
            for step in steps:
                await run_backlog(site, step - done)
                done = step
                found.append(resident_mib(worker))
        return found

    return grown
