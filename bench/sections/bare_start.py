"""From the start of the bare consumer, with one handler, to its wait for jobs."""

import time
from dataclasses import dataclass

from bench.contenders import NOTHING, Contender, bare_worker, node_worker
from bench.figure import Figure, at_most, in_turn
from bench.setup import Bench
from bench.site import Site

_POLL_S = 0.002


@dataclass(frozen=True)
class Start:
    """Seconds from the process's start."""

    waiting_s: float
    cpu_s: float


async def measure(bench: Bench) -> list[Figure]:
    async def python() -> Start:
        return await _start(bare_worker(bench.folder))

    async def node() -> Start:
        return await _start(node_worker(bench.folder, NOTHING))

    await in_turn(1, python, node)  # what the machine has not read yet
    ours, theirs = await in_turn(bench.rounds, python, node)
    what = "start of the bare consumer to waiting for jobs"
    return [
        Figure(
            what,
            "s",
            [one.waiting_s for one in ours],
            [one.waiting_s for one in theirs],
            at_most(0.3),
        ),
        Figure(f"{what}, CPU", "s", [one.cpu_s for one in ours], [one.cpu_s for one in theirs]),
    ]


async def _start(contender: Contender) -> Start:
    async with Site(contender) as site:

        async def waits() -> bool:
            """As Redis sees it: a connection that waits for the queue's marker."""
            return any(one["cmd"] == "bzpopmin" for one in await site.redis.client_list())

        worker = await site.new_worker()
        began = time.monotonic()
        await worker.start(waits, poll_s=_POLL_S)
        return Start(time.monotonic() - began, site.cpu_s())
