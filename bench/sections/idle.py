"""The Redis commands of workers that only wait."""

import asyncio
from itertools import product

from bench.commands_sent import counting
from bench.contenders import Contender
from bench.figure import Figure, at_most
from bench.setup import Bench
from bench.site import Site

_CONCURRENCIES = (3, 20)


async def measure(bench: Bench) -> list[Figure]:
    """All four workers at the same time, as they only wait."""
    seconds = bench.sizes.idle_s
    pairs = product(_CONCURRENCIES, (bench.python, bench.node))
    found = await asyncio.gather(*(_idle(one, number, seconds) for number, one in pairs))
    return [
        Figure(
            f"commands a minute at rest, concurrency {concurrency}",
            "number",
            [found[2 * index]],
            [found[2 * index + 1]],
            at_most(4),
            over=f"{seconds:g} s",
        )
        for index, concurrency in enumerate(_CONCURRENCIES)
    ]


async def _idle(contender: Contender, concurrency: int, seconds: float) -> float:
    """Commands a minute."""
    async with Site(contender, concurrency) as site, counting(site.redis) as count:
        await site.start_worker()
        count.clear()
        await site.watch(asyncio.sleep(seconds))
        return count.total() * 60 / seconds
