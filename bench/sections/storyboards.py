"""A storyboard of twelve shots whose pictures take two seconds each."""

from bench.figure import Figure, at_most, in_turn
from bench.setup import Bench
from bench.site import Site, first
from sandbox.app import Shot, create_project, create_user, enqueue_storyboards

_SHOTS = 12
_PICTURE_S = 2.0


async def measure(bench: Bench) -> list[Figure]:
    async def batch() -> float:
        return await _batch(bench)

    control = bench.vidfab.providers.control
    await control.delay("/ark/*", _PICTURE_S)
    try:
        [ours] = await in_turn(bench.rounds, batch)
    finally:
        await control.delay("/ark/*", 0)
    what = f"{_SHOTS} pictures of {_PICTURE_S:g} s, three at a time"
    return [Figure(what, "s", ours, goal=at_most(8.14))]


async def _batch(bench: Bench) -> float:
    """Seconds from the job's `active` to its `completed`, the downloads that follow aside."""
    user = await create_user(bench.vidfab.supabase)
    shots = [Shot(number, f"Shot {number}") for number in range(1, _SHOTS + 1)]
    project = await create_project(bench.vidfab.supabase, user, shots)
    async with Site(bench.python) as site:
        await site.start_worker()
        job_id = await enqueue_storyboards(site.app, bench.vidfab.supabase, project)
        await site.drain()
        events = await site.events("0-0", completed=1 + _SHOTS)
    own = [one for one in events if one.job_id == job_id]
    return (first(own, "completed") - first(own, "active")) / 1000
