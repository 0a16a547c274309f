"""The smallest jobs by this worker and by those of other Python queues, in one run."""

from collections.abc import Awaitable, Callable, Sequence

from bench.backlog import Run
from bench.figure import Figure, at_most, in_turn
from bench.peers.peer import OTHERS, OURS, PORT, Peer, run_backlog
from bench.setup import Bench

_WARM_UP_JOBS = 300
# dramatiq's and saq's producers add one at a time.
_MOST_JOBS = 1_500


async def measure(bench: Bench) -> list[Figure]:
    peers = (OURS, PORT, *OTHERS)
    runs = await in_turn(bench.rounds, *(_measured(bench, one) for one in peers))
    [ours, port, *_] = runs
    ratios = [one.cpu_us_per_job / two.cpu_us_per_job for one, two in zip(ours, port, strict=True)]
    return [
        Figure("CPU of a small job by that of Python's bullmq", "×", ratios, goal=at_most(1.0)),
        *(row for peer, its in zip(peers, runs, strict=True) for row in _rows(peer, its)),
    ]


def _measured(bench: Bench, peer: Peer) -> Callable[[], Awaitable[Run]]:
    async def run() -> Run:
        jobs = min(bench.sizes.backlog_jobs, _MOST_JOBS)
        return await run_backlog(bench, peer, min(_WARM_UP_JOBS, jobs), jobs)

    return run


def _rows(peer: Peer, runs: Sequence[Run]) -> list[Figure]:
    """In the first column, though they are not this worker's: none of them is Node's."""
    return [
        Figure(f"small jobs a second: {peer.name}", "jobs/s", [one.jobs_per_s for one in runs]),
        Figure(f"CPU of a small job: {peer.name}", "µs", [one.cpu_us_per_job for one in runs]),
    ]
