"""Whether this machine has what every job needs. If not, the worker takes no more jobs.

    fit ── a job failed for a lack ──> unfit ── a pause, then a check every 15 s ──> fit

The pause comes first even if the check finds nothing: a disk that is too small for its jobs has
space again as soon as one has failed, and the worker would take and fail all jobs of the queue.
"""

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import chain, repeat
from pathlib import Path

from bullmq_consumer.machine import MachineUnfit, lack_of

logger = logging.getLogger(__name__)

_CHECK_EVERY_S = 15.0
# Unfit again within ten minutes, it pauses twice as long, up to a limit for who has fixed it.
_RELAPSE_S = 600.0
_LONGEST_PAUSE_S = 120.0
# A chunk of a download is 1 MiB, and three jobs have several at a time. A download has a handful of
# descriptors: file, socket, a pipe to ffmpeg.
_WANTED_MIB = 8
_WANTED_DESCRIPTORS = 8
# Freed when the machine is unfit, so that /readyz is answered. Fewer than required above.
_RESERVE = 4


class Fitness:
    """This machine's fitness. `folder` is for work files, None for the system's temporary one.

    `on_unfit` is called with one line for operators when the machine becomes unfit.
    """

    def __init__(
        self,
        folder: Callable[[], Path | None] = lambda: None,
        on_unfit: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._folder = folder
        self._on_unfit = on_unfit
        self._lack: str | None = None
        self._reports = 0
        self._pause_s = _CHECK_EVERY_S
        self._began = self._ended = float("-inf")
        self._reserve: list[int] = []

    def lack(self) -> str | None:
        """What the machine lacks, None if nothing is known."""
        return self._lack

    def hold_reserve(self) -> None:
        """Open reserve descriptors, as many as are missing. Raises OSError."""
        while len(self._reserve) < _RESERVE:
            self._reserve.append(_open_descriptor())

    async def lacked(self, lack: str) -> bool:
        """Report a lack that a job met. True when a check confirms that something is lacking."""
        if self._lack is None:
            self._begin(lack)
        self._lack = lack
        self._reports += 1
        return await self._check() is not None

    async def until_fit(self, ending: asyncio.Event) -> None:
        """Wait until nothing is lacking any more, or until the worker ends."""
        for pause_s in chain([self._pause_s], repeat(_CHECK_EVERY_S)):
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), pause_s)
                return
            reports = self._reports
            lack = await self._check()
            if self._reports > reports:  # a job reported a lack meanwhile, which counts
                continue
            self._lack = lack
            if lack is None:
                break
        self.hold_reserve()
        self._ended = time.monotonic()
        lasted_s = self._ended - self._began
        logger.info("The machine is fit for jobs again after %.0f s", lasted_s)

    def _begin(self, lack: str) -> None:
        while self._reserve:
            os.close(self._reserve.pop())
        self._began = time.monotonic()
        is_relapse = self._began - self._ended < _RELAPSE_S
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S) if is_relapse else _CHECK_EVERY_S
        line = f"⛔ No jobs are taken, this machine is unfit for them: {lack}"
        logger.error("%s. Next look in %.0f s", line, self._pause_s)
        self._on_unfit(line)

    async def _check(self) -> str | None:
        try:
            folder = self._folder()  # made on the loop, as it is for jobs
            await asyncio.to_thread(_use, folder)
        except (OSError, MemoryError, RuntimeError, MachineUnfit) as error:
            return lack_of(error) or f"its work folder cannot be used ({error})"
        return None


def _use(folder: Path | None) -> None:
    """Write files and open descriptors as a job does. Raises OSError or MemoryError."""
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_WANTED_MIB):
            file.write(bytes(1024 * 1024))
        file.flush()
    with ExitStack() as opened:
        for _ in range(_WANTED_DESCRIPTORS):
            opened.callback(os.close, _open_descriptor())


def _open_descriptor() -> int:
    return os.open(os.devnull, os.O_RDONLY)
