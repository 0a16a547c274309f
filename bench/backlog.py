"""A worker's way through jobs that wait already."""

import asyncio
from dataclasses import dataclass

from bench.site import Site, first, last

# Long enough that the worker, which learns of the jobs by the resumption, has come to rest.
_SETTLE_S = 0.5


@dataclass(frozen=True)
class Run:
    """Time is Redis's, from the first job's `active` to the last one's `completed`."""

    jobs: int
    seconds: float
    cpu_s: float

    @property
    def jobs_per_s(self) -> float:
        return self.jobs / self.seconds

    @property
    def cpu_us_per_job(self) -> float:
        return self.cpu_s / self.jobs * 1e6


async def run_backlog(site: Site, jobs: int) -> Run:
    """Add the jobs while the queue is paused, then let the site's workers run them.

    Nothing else is at work meanwhile, but for a look at the queue ten times a second.
    """
    await site.app.pause()
    await site.add_many(jobs)
    await asyncio.sleep(_SETTLE_S)
    mark, cpu_s = await site.mark(), site.cpu_s()
    await site.app.resume()
    await site.drain()
    cpu_s = site.cpu_s() - cpu_s
    events = await site.events(mark, completed=jobs)
    return Run(jobs, (last(events, "completed") - first(events, "active")) / 1000, cpu_s)
