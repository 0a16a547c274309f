"""The app's jobs when Redis and Supabase are not on the worker's machine, and Node's beside it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from bench.distance import ideals, trips
from bench.distance.places import Far, Hire, Land, Place, Trust, nodes, ours
from bench.distance.rows import Measure, Rows, Taken
from bench.distance.work import CLIPS, PICTURES, Work
from bench.figure import Figure
from bench.setup import Bench

_AWAY_MS = ((0, 0), (20, 50), (60, 120))
PLACES = [Place(*away, tls) for tls in (False, True) for away in _AWAY_MS]
# With more rounds the section would take longer than it may.
_ROUNDS = 3
_SHORT_PICTURE_S, _LONG_PICTURE_S = 2.0, 6.0
_LONG_ROUNDS = 1
# Of what the distances and the pictures take on paper.
_DONE_SLACK, _STORED_SLACK = 1.06, 1.15
_AT_ONCE = 3
# Longer than Node and httpx keep an idle connection, shorter than gateways do.
_REST_S = 10.0
# To Supabase: for rows and pictures, of three pictures at a time.
_CONNECTIONS = 2


async def measure(bench: Bench) -> list[Figure]:
    control = bench.vidfab.providers.control
    land, work = Land(bench, Trust.made(bench)), await Work.ready(bench)
    try:
        async with _all_at(land, ours(bench)) as python, _all_at(land, nodes(bench)) as node:
            rows = Rows(python, node)
            await _fill(bench, work, rows)
        return [*rows.figures(), *await trips.measure(land, work)]
    finally:
        await control.delay(PICTURES, 0)
        await control.clear_faults()


async def _fill(bench: Bench, work: Work, rows: Rows) -> None:
    rounds, control = min(bench.rounds, _ROUNDS), bench.vidfab.providers.control
    await rows.warm_up(lambda far: _each_once(work, far))
    for picture_s, times in ((_SHORT_PICTURE_S, rounds), (_LONG_PICTURE_S, _LONG_ROUNDS)):
        await control.delay(PICTURES, picture_s)
        # Pictures come in all places in turn, not at once.
        apart_s = picture_s / len(PLACES)
        await rows.fill(times, _storyboards(work, picture_s), apart_s)
    await rows.fill(rounds, _sync(work))
    await rows.fill(rounds, _compose(work))
    await rows.fill(rounds, _download(work), apart_s=1.5)
    await rows.fill(rounds, _quota(work))
    await rows.fill(_LONG_ROUNDS, _quotas(work))


async def _each_once(work: Work, far: Far) -> None:
    """What a worker does once in its life must not count."""
    await work.storyboards(far, _AT_ONCE)
    await work.sync(far)
    await work.compose(far)
    await work.quota(far)


def _storyboards(work: Work, picture_s: float) -> Measure:
    shots = work.bench.sizes.distant_shots
    what = f"{shots} pictures of {picture_s:g} s"

    async def measure(place: Place, far: Far) -> Sequence[Taken]:
        opened = far.supabase.opened
        times = await work.storyboards(far, shots)
        done = _DONE_SLACK * ideals.storyboards_ms(place, shots, picture_s)
        stored = _STORED_SLACK * ideals.stored_ms(place, shots, picture_s)
        connections = far.supabase.opened - opened
        return [
            Taken(what, times.done_ms, bound=done),
            Taken(f"{what}, stored", times.all_done_ms, bound=stored),
            Taken(f"{what}, connections to Supabase", connections, "connections", _CONNECTIONS),
        ]

    return measure


def _sync(work: Work) -> Measure:
    async def measure(place: Place, far: Far) -> Sequence[Taken]:
        times = await work.sync(far)
        what = f"sync of {CLIPS} clips"
        return [Taken(what, times.done_ms), Taken(f"{what}, stored", times.all_done_ms)]

    return measure


def _compose(work: Work) -> Measure:
    async def measure(place: Place, far: Far) -> Sequence[Taken]:
        return [Taken("film, composed at once", (await work.compose(far)).done_ms)]

    return measure


def _download(work: Work) -> Measure:
    began = time.monotonic()
    ended: dict[int, float] = {}

    async def measure(place: Place, far: Far) -> Sequence[Taken]:
        rested = ended.get(id(far), began) + _REST_S
        await asyncio.sleep(max(0.0, rested - time.monotonic()))
        taken = Taken(f"one picture stored each {_REST_S:g} s", await work.download(far))
        ended[id(far)] = time.monotonic()
        return [taken]

    return measure


def _quota(work: Work) -> Measure:
    async def measure(place: Place, far: Far) -> Sequence[Taken]:
        return [Taken("a smallest job alone", await work.quota(far))]

    return measure


def _quotas(work: Work) -> Measure:
    jobs = work.bench.sizes.distant_jobs

    async def measure(place: Place, far: Far) -> Sequence[Taken]:
        return [Taken(f"{jobs} smallest jobs", await work.quotas(far, jobs))]

    return measure


@asynccontextmanager
async def _all_at(land: Land, hire: Hire) -> AsyncGenerator[dict[Place, Far]]:
    """A worker in each place, started together."""
    async with AsyncExitStack() as parts:
        entered = (parts.enter_async_context(land.at(place, hire)) for place in PLACES)
        yield dict(zip(PLACES, await asyncio.gather(*entered), strict=True))
