"""How fast the worker starts, how much memory it holds then, how long twelve pictures take.

    make bench

Each start is a new process of `worker.py`; the figure is the median of five. Twelve shots whose
pictures take 2 s each, three at a time, cannot take less than 8 s.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from sandbox.app import NodeApp, Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import Process
from sandbox.vidfab import VidFab
from sandbox.worker_process import READY, start_worker

_STARTS = 5
_SHOTS = 12
_PICTURE_S = 2.0
_MIB = 1024 * 1024


async def measure(folder: Path) -> dict[str, str]:
    """Figure by name."""
    async with VidFab(plain=True) as vidfab:
        starts = [await _start(vidfab, folder) for _ in range(_STARTS)]
        seconds = statistics.median(one[0] for one in starts)
        memory = statistics.median(one[1] for one in starts)
        batch = await _twelve_shots(vidfab, folder)
    return {
        f"process start to '{READY}' (median of {_STARTS})": f"{seconds:.2f} s",
        f"resident memory then (median of {_STARTS})": f"{memory / _MIB:.0f} MiB",
        f"{_SHOTS} shots of {_PICTURE_S:g} s, three at a time": f"{batch:.2f} s",
    }


async def _start(vidfab: VidFab, folder: Path) -> tuple[float, int]:
    began = time.monotonic()
    worker = await start_worker(vidfab.settings("bench"), folder)
    seconds = time.monotonic() - began
    memory = _resident(worker)
    await worker.stop()
    return seconds, memory


def _resident(worker: Process) -> int:
    return psutil.Process(worker.pid).memory_info().rss


async def _twelve_shots(vidfab: VidFab, folder: Path) -> float:
    """Seconds from `active` to `completed` by Redis's clock."""
    await vidfab.providers.control.delay("/ark/*", _PICTURE_S)
    user = await create_user(vidfab.supabase)
    shots = [Shot(number, f"Shot {number}") for number in range(1, _SHOTS + 1)]
    project = await create_project(vidfab.supabase, user, shots)
    worker = await start_worker(vidfab.settings("bench-shots"), folder)
    try:
        async with NodeApp(vidfab.redis.url, "bench-shots") as app:
            await app.observe()
            job_id = await enqueue_storyboards(app, vidfab.supabase, project)
            end = await app.wait_for(job_id, "completed", 60)
            begin = await app.wait_for(job_id, "active")
    finally:
        await worker.stop()
    return (end.at - begin.at) / 1000


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="vidfab-bench-") as folder:
        figures = asyncio.run(measure(Path(folder)))
    width = max(map(len, figures))
    for name, figure in figures.items():
        sys.stdout.write(f"{name:<{width}}  {figure}\n")


if __name__ == "__main__":
    main()
