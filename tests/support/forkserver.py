"""Workers forked from a process that has loaded their modules, for a fifth of a start's cost.

Each is a process of its own with a session, an environment, a folder and a log of its own, and runs
`worker.py` from its first line; most of what it imports is there already, and knows nothing of the
process it came from. Tests of the start itself, and of its figures, start workers as users do.
"""

import json
import os
import select
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from sandbox.processes import PATIENCE_S, Process, SandboxError, logged
from sandbox.worker_process import READY, ROOT, new_worker

_PROGRAM = Path(__file__).with_name("forkserver_main.py")


@dataclass
class Forked:
    """Stands in for `subprocess.Popen`: it is no child of this process."""

    server: "ForkServer"
    pid: int
    stdin: IO[bytes] | None = None
    stdout: IO[bytes] | None = None

    def poll(self) -> int | None:
        return self.server.code_of(self.pid)


class ForkServer:
    """The process that forks them; they end with it, as it ends with this one. Linux only."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, _PROGRAM]
        environment = {**os.environ, "PYTHONUTF8": "1"}
        self._process = Process(
            command, folder / "forkserver.log", cwd=ROOT, env=environment, pipes=True
        )
        self._codes: dict[int, int] = {}
        self._started: list[int] = []
        self._heard = b""

    async def __aenter__(self) -> Self:
        await self._process.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._process.kill()

    def code_of(self, pid: int) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        self._hear(0)
        return self._codes.get(pid)

    def _hear(self, timeout_s: float) -> None:
        """Take what the server has said, waiting so long for the first of it."""
        output = self._process.stdout.fileno()
        while select.select([output], [], [], timeout_s)[0]:
            if not (said := os.read(output, 65536)):
                raise SandboxError(f"The fork server is gone.\n{self._process.log_tail()}")
            *lines, self._heard = (self._heard + said).split(b"\n")
            for line in map(json.loads, lines):
                if "started" in line:
                    self._codes.pop(line["started"], None)  # of an earlier one with this number
                    self._started.append(line["started"])
                else:
                    self._codes[line["ended"]] = line["code"]
            timeout_s = 0

    def _fork(
        self, command: list[str], log: IO[bytes], env: dict[str, str], cwd: Path, pipes: bool
    ) -> Forked:
        assert not pipes
        wanted = {"command": command, "log": log.name, "env": env, "cwd": str(cwd)}
        self._process.stdin.write(json.dumps(wanted).encode() + b"\n")
        self._process.stdin.flush()
        while not self._started:
            self._hear(PATIENCE_S)
        return Forked(self, self._started.pop())

    async def start_worker(self, settings: Mapping[str, str], folder: Path) -> Process:
        """As `sandbox.worker_process.start_worker`: it waits for jobs."""
        worker = new_worker(settings, folder)
        worker.open = self._fork
        await worker.start(logged(worker.log, READY))
        return worker
