"""The real PM2 with a home of its own, on a deployed copy of `ecosystem.config.js`."""

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import psutil

from sandbox import node
from sandbox.processes import PATIENCE_S
from sandbox.worker_process import ROOT

APP = "vidfab-worker"
ECOSYSTEM = "ecosystem.config.js"
_EXIT = re.compile(r"App \[[^\]]+\] exited with code \[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Worker:
    """One instance as PM2 lists it."""

    pm_id: int
    pid: int
    status: str
    log: Path


class Pm2:
    """One daemon, started by the first command; it and all its children end with the context.

    `settings` are the environment from which the commands are given, and so the workers'. The
    deployment is a folder of its own: no .env file of this checkout is read there. For a worker
    that will not be ready a `listen_timeout` shorter than the deployed one saves waiting.
    """

    def __init__(
        self, settings: Mapping[str, str], folder: Path, listen_timeout: timedelta | None = None
    ) -> None:
        self.home = folder / "pm2"
        self.deployment = folder / "deployment"
        self._settings = settings
        self._listen_timeout = listen_timeout
        self._elsewhere = folder / "elsewhere"
        self._seen: dict[int, psutil.Process] = {}

    async def __aenter__(self) -> Self:
        self._node = await node.install()
        for new in (self.home, self.deployment, self._elsewhere):
            new.mkdir()
        (self.deployment / ECOSYSTEM).write_text(self._ecosystem(), "utf-8")
        (self.deployment / "worker.py").symlink_to(ROOT / "worker.py")
        (self.deployment / ".venv").symlink_to(sys.prefix)
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self._pid_file.is_file():
                await self.run("kill")
        finally:
            await asyncio.to_thread(self._end_what_is_left)

    @property
    def health_port(self) -> int:
        """Of the first instance."""
        return int(self._settings["HEALTH_PORT"])

    async def start(self) -> None:
        """`pm2 start`, from another folder than the deployed one."""
        await self.run("start", str(self.deployment / ECOSYSTEM))

    async def run(self, *arguments: str) -> str:
        """What one `pm2` command prints. Raises AssertionError with it when it fails."""
        command = [self._node.executable, self._node.package("pm2") / "bin" / "pm2", *arguments]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self._elsewhere,
            env=self._environment(),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                out, err = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        self._note_processes()
        assert process.returncode == 0, (out + err).decode(errors="replace")
        return out.decode()

    async def workers(self) -> list[Worker]:
        """The instances of the app, in the order of their numbers."""
        listed: list[dict[str, Any]] = json.loads(await self.run("jlist", "--silent"))
        return [
            Worker(
                pm_id=one["pm_id"],
                pid=one["pid"],
                status=one["pm2_env"]["status"],
                log=Path(one["pm2_env"]["pm_out_log_path"]),
            )
            for one in sorted(listed, key=lambda one: one["pm_id"])
        ]

    def exit_codes(self) -> list[int]:
        """Of all worker processes that have ended, from the daemon's log."""
        return [int(code) for code in _EXIT.findall(self._daemon_log().read_text("utf-8"))]

    def was_killed(self) -> bool:
        """Whether PM2 had to end a process by SIGKILL."""
        return "sending SIGKILL" in self._daemon_log().read_text("utf-8")

    def left(self) -> list[psutil.Process]:
        """Those of the daemon and all below it, as seen after each command, that still run."""
        return [process for process in self._seen.values() if runs(process)]

    def _ecosystem(self) -> str:
        text = (ROOT / ECOSYSTEM).read_text("utf-8")
        if self._listen_timeout is None:
            return text
        wanted_ms = self._listen_timeout // timedelta(milliseconds=1)
        text, found = re.subn(r"listen_timeout: \d+", f"listen_timeout: {wanted_ms}", text)
        assert found == 1
        return text

    @property
    def _pid_file(self) -> Path:
        return self.home / "pm2.pid"

    def _daemon_log(self) -> Path:
        return self.home / "pm2.log"

    def _end_what_is_left(self) -> None:
        # The daemon answers `kill` before it ends.
        _, alive = psutil.wait_procs(self.left(), timeout=5)
        for process in alive:
            process.kill()

    def _note_processes(self) -> None:
        try:
            daemon = psutil.Process(int(self._pid_file.read_text()))
            for process in (daemon, *daemon.children(recursive=True)):
                self._seen[process.pid] = process
        except (FileNotFoundError, psutil.NoSuchProcess):
            return  # there is no daemon yet, or no longer

    def _environment(self) -> dict[str, str]:
        path = f"{self._node.executable.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        own = {
            "PATH": path,
            "HOME": str(self.home),
            "PM2_HOME": str(self.home),
            "PM2_DISABLE_VERSION_CHECK": "1",  # it would ask its vendor
        }
        return {**self._settings, **own}


def runs(process: psutil.Process) -> bool:
    """Not when only its exit code is left, for whoever inherited it from the daemon."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
