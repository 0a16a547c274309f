"""Workers that are started again whenever they end, as PM2 would."""

import asyncio
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sandbox.chaos.incidents import KILLED, REDIS_AWAY, STOPPED, Diary
from sandbox.processes import Process, logged
from sandbox.worker_process import READY, new_worker

_RESTART_DELAY_S = 0.2
# Grace 1 s, unwinding 2 s, closing 3 s; the rest is what two busy cores may add.
_STOP_LIMIT_S = 20
_FAILED_START, _UNCLEAN = 1, 75


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker ended; `asked` by which signal, if any."""

    worker: str
    code: int
    at: float
    asked: signal.Signals | None
    log: str

    def is_expected(self, diary: Diary) -> bool:
        """Whether a worker in order may end like this."""
        if self.asked is signal.SIGKILL:
            return True
        if self.asked is signal.SIGTERM and self.code in {0, -signal.SIGTERM}:
            return True
        # What was open when Redis went is noticed some seconds later.
        away = diary.during(self.at - 10, self.at, [REDIS_AWAY])
        may_miss_redis = {_UNCLEAN} if self.asked else {_FAILED_START}
        return self.code in may_miss_redis and bool(away)


class SupervisedWorker:
    """One worker process after another, with the same settings and one log."""

    def __init__(self, name: str, settings: Mapping[str, str], folder: Path, diary: Diary) -> None:
        self.name = name
        self.exits: list[Exit] = []
        self.overdue: list[str] = []
        self.process: Process = new_worker(settings, folder)
        self._diary = diary
        self._asked: signal.Signals | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._stopping: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.process.start(logged(self.process.log, READY))
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._stopping, *([self._keeping] if self._keeping else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.process.stop()

    @property
    def can_be_hurt(self) -> bool:
        """Whether it runs and has not been told to stop."""
        return self.process.running and self._asked is None

    def kill(self) -> None:
        """End it as the kernel would when memory is short."""
        self._asked = signal.SIGKILL
        self._diary.note(KILLED, self.name)
        self.process.signal(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        task = asyncio.create_task(self._stop())
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _stop(self) -> None:
        self._asked = signal.SIGTERM
        with self._diary.lasting(STOPPED, self.name):
            self.process.signal(signal.SIGTERM)
            with suppress(TimeoutError):
                await self.process.wait(_STOP_LIMIT_S)
                return
        self.overdue.append(f"{self.name} still ran {_STOP_LIMIT_S} s after SIGTERM")
        self.kill()

    async def _keep(self) -> None:
        while True:
            code = await self.process.wait()
            log = self.process.log_tail(12)
            self.exits.append(Exit(self.name, code, time.time(), self._asked, log))
            await asyncio.sleep(_RESTART_DELAY_S)
            self._asked = None
            await self.process.start()
