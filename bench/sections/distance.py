"""The storyboard of twelve shots when Redis and Supabase are not on the worker's machine."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.contenders import python_worker
from bench.distant import distant
from bench.figure import Figure, at_most
from bench.setup import Bench
from bench.site import Site, first, last
from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import LOOPBACK, Process

_REDIS_S = 0.060
_SUPABASE_S = 0.120
_SHOTS = 12
_PICTURE_S = 2.0
# The app's own Node worker, measured once at these distances; it is not part of this repository.
_NODE_DONE_MS = 9_310
_NODE_STORED_MS = 12_142


class _Times(NamedTuple):
    """From the job's `active` event, by Redis's clock."""

    done_ms: float
    stored_ms: float


async def measure(bench: Bench) -> list[Figure]:
    control = bench.vidfab.providers.control
    await control.delay("/ark/*", _PICTURE_S)
    try:
        async with _distant_site(bench) as site:
            await site.start_worker()
            await _batch(bench, site, shots=1)  # what a worker does once in its life
            times = [await _batch(bench, site, _SHOTS) for _ in range(bench.rounds)]
    finally:
        await control.delay("/ark/*", 0)
    return _figures(times)


def _figures(times: Sequence[_Times]) -> list[Figure]:
    where = f"Redis {_REDIS_S * 1000:g} ms away, Supabase {_SUPABASE_S * 1000:g}"
    done = [one.done_ms for one in times]
    stored = [one.stored_ms for one in times]
    return [
        Figure(f"{_SHOTS} pictures, {where}", "ms", done, goal=at_most(_NODE_DONE_MS)),
        Figure(f"{_SHOTS} pictures stored, {where}", "ms", stored, goal=at_most(_NODE_STORED_MS)),
    ]


async def _batch(bench: Bench, site: Site, shots: int) -> _Times:
    supabase = bench.vidfab.supabase
    texts = [Shot(number, f"Shot {number}") for number in range(1, shots + 1)]
    project = await create_project(supabase, await create_user(supabase), texts)
    before = await site.mark()
    job_id = await enqueue_storyboards(site.app, supabase, project)
    await site.drain()
    events = await site.events(before, completed=1 + shots)
    own = [one for one in events if one.job_id == job_id]
    began = first(own, "active")
    return _Times(first(own, "completed") - began, last(events, "completed") - began)


@asynccontextmanager
async def _distant_site(bench: Bench) -> AsyncGenerator[Site]:
    """A site whose worker is far from both servers; the app stays beside them."""
    async with AsyncExitStack() as lines:
        port = await lines.enter_async_context(distant(bench.vidfab.supabase.port, _SUPABASE_S))
        supabase_url = f"http://{LOOPBACK}:{port}"
        worker = python_worker(bench.vidfab, bench.folder, SUPABASE_URL=supabase_url)

        async def new(redis_url: str, concurrency: int) -> Process:
            port = await lines.enter_async_context(distant(_port(redis_url), _REDIS_S))
            return await worker.new(f"redis://{LOOPBACK}:{port}", concurrency)

        yield await lines.enter_async_context(Site(replace(worker, new=new)))


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port
