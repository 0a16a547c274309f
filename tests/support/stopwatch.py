"""Seconds that are asserted, less those in which the machine ran others."""

import asyncio
import os
import time
from pathlib import Path

from sandbox.processes import PATIENCE_S, POLL_S, Process


class Stopwatch:
    """How long something took from here on, for these processes and this one.

    The time in which one of their threads was ready to run and stood in the kernel's queue is taken
    off: on a quiet machine that is nothing, on a busy one it says nothing of what is tested.
    """

    def __init__(self, *processes: Process) -> None:
        self._pids = [os.getpid(), *(process.pid for process in processes)]
        self._queued_s: dict[Path, float] = {}
        self._look()
        self._before_s = dict(self._queued_s)
        self._began = time.monotonic()

    def seconds(self) -> float:
        """Since it was made, less `queued_s`."""
        return time.monotonic() - self._began - self.queued_s()

    def queued_s(self) -> float:
        """For how long their threads have waited for a processor."""
        self._look()
        before_s = self._before_s
        return sum(now_s - before_s.get(one, 0) for one, now_s in self._queued_s.items())

    async def end_of(self, process: Process) -> tuple[int, float]:
        """The exit code, and the seconds until the process was gone."""
        async with asyncio.timeout(PATIENCE_S):
            while process.running:
                self._look()  # what is gone tells nothing any more
                await asyncio.sleep(POLL_S)
        return await process.wait(), self.seconds()

    def _look(self) -> None:
        """Linux tells it; elsewhere seconds are just seconds."""
        for pid in self._pids:
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                try:
                    _, queued_ns, _ = task.read_text("ascii").split()
                except (FileNotFoundError, ProcessLookupError):
                    continue  # it has ended meanwhile
                self._queued_s[task] = int(queued_ns) / 1e9
