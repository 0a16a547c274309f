"""From the start of the process to a worker that waits, and to its first job's end."""

import time
from dataclasses import dataclass

from bench.contenders import Contender
from bench.figure import Figure, at_most, in_turn
from bench.setup import Bench
from bench.site import Site, last
from sandbox.processes import logged

_POLL_S = 0.002


@dataclass(frozen=True)
class Start:
    """Seconds from the process's start."""

    waiting_s: float
    first_job_s: float


async def measure(bench: Bench) -> list[Figure]:
    async def python() -> Start:
        return await _start(bench.python)

    async def node() -> Start:
        return await _start(bench.node)

    await in_turn(1, python, node)  # what the machine has not read yet
    ours, theirs = await in_turn(bench.rounds, python, node)
    return [
        Figure(
            "start of the process to waiting for jobs",
            "s",
            [one.waiting_s for one in ours],
            [one.waiting_s for one in theirs],
            at_most(0.4),
        ),
        Figure(
            "start of the process to the first job's end",
            "s",
            [one.first_job_s for one in ours],
            [one.first_job_s for one in theirs],
        ),
    ]


async def _start(contender: Contender) -> Start:
    """With a job that waits already."""
    async with Site(contender) as site:
        await site.add()
        worker = await site.new_worker()
        ready = logged(worker.log, contender.ready)
        began_s, began = time.time(), time.monotonic()
        await worker.start(ready, poll_s=_POLL_S)
        waiting_s = time.monotonic() - began
        await site.drain()
        ended_ms = last(await site.events("0-0", completed=1), "completed")
    return Start(waiting_s, ended_ms / 1000 - began_s)
