"""Child processes that end with their parent, and free loopback ports."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

import httpx

LOOPBACK = "127.0.0.1"
POLL_S = 0.02
PATIENCE_S = 120
"""For what must come: whoever waits goes on when it is there, on a busy machine later."""

Ready = Callable[[], Awaitable[bool]]

# Runs in the child before the real program, which it becomes: asks Linux to kill the child when
# its parent dies. A `preexec_fn` could do it too, but may deadlock in a parent with threads.
# The parent may die before prctl() (1 = PR_SET_PDEATHSIG), hence the second look at it.
_LAUNCHER = """
import ctypes, os, sys
parent, command = int(sys.argv[1]), sys.argv[2:]
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != parent:
    sys.exit(1)
try:
    os.execvp(command[0], command)
except OSError as error:
    sys.exit(f"{command[0]}: {error.strerror}")
"""


class SandboxError(Exception):
    """A part of the sandbox is missing or does not run; the message says what to do or see."""


def free_port() -> int:
    """A loopback TCP port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> Ready:
    """Ready when the port takes a TCP connection."""

    async def check() -> bool:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.close()
        return True

    return check


def answers(url: str, headers: Mapping[str, str] | None = None) -> Ready:
    """Ready when a GET on loopback is answered with a status below 400."""

    async def check() -> bool:
        # Loading the trusted certificates for each try costs more than the server's own start.
        async with httpx.AsyncClient(verify=False, trust_env=False, timeout=5) as client:
            return (await client.get(url, headers=dict(headers or {}))).status_code < 400

    return check


def exists(path: Path) -> Ready:
    """Ready when the file is there."""

    async def check() -> bool:
        return await asyncio.to_thread(path.exists)

    return check


def logged(log: Path, text: str) -> Ready:
    """Ready when the log holds `text`, what it held before this call aside."""
    before_bytes = log.stat().st_size if log.exists() else 0

    async def check() -> bool:
        return text.encode() in (await asyncio.to_thread(log.read_bytes))[before_bytes:]

    return check


class Child(Protocol):
    """What runs, as `subprocess.Popen` shows it."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        ...


class Process:
    """A program in its own session, with its output in a log file; may be started again.

    On Linux it is killed when the thread that started it ends, however that ends.
    `env` replaces the environment when given. With `pipes`, standard input and output are left
    to the caller (`stdin`, `stdout`) and only standard error goes to the log. Another way to come
    to a running program may be put in the place of `open`.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        name: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pipes: bool = False,
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        self.name = name or Path(self.command[0]).name
        self._env = dict(os.environ if env is None else env)
        self._cwd = cwd
        self._pipes = pipes
        self.open: Open = _popen
        self._child: Child | None = None
        self._clean = True
        self._log_start_bytes = 0

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while running or never started."""
        return None if self._child is None else self._child.poll()

    @property
    def stdin(self) -> IO[bytes]:
        pipe = self._started().stdin
        assert pipe, "started without pipes"
        return pipe

    @property
    def stdout(self) -> IO[bytes]:
        pipe = self._started().stdout
        assert pipe, "started without pipes"
        return pipe

    async def start(
        self, ready: Ready | None = None, timeout_s: float = PATIENCE_S, poll_s: float = POLL_S
    ) -> None:
        """Start, and wait until `ready`. Raises SandboxError with the log's end; nothing is left.

        An error of `ready` itself that speaks of connecting or of a missing file means "not yet".
        """
        if self.running:
            raise SandboxError(f"{self.name} is already running")
        self._spawn()
        if ready is None:
            return
        try:
            await self._wait_ready(ready, timeout_s, poll_s)
        except BaseException:
            await self.kill()
            raise

    async def wait(self, timeout_s: float | None = None) -> int:
        """The exit code. Raises TimeoutError."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while (code := self._started().poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} still runs after {timeout_s:g} s")
            await asyncio.sleep(POLL_S)
        return code

    async def stop(self, grace_s: float = 10) -> int | None:
        """SIGTERM to the whole group, SIGKILL after the grace. Returns the exit code."""
        if self.running:
            self.signal(signal.SIGTERM)
            try:
                await self.wait(grace_s)
            except TimeoutError:
                self.signal(signal.SIGKILL)
        return await self.kill()

    async def kill(self) -> int | None:
        """SIGKILL to whatever is left of the group. Returns the exit code."""
        if self._child is None:
            return None
        if self.running:
            self.signal(signal.SIGKILL)
        code = await self.wait()
        self._clean_up()
        return code

    def signal(self, number: int) -> None:
        """Send a signal to the process and its children; none if it is gone."""
        if self.running:
            _signal_group(self.pid, number)

    def log_tail(self, lines: int = 30) -> str:
        """The end of what it logged since its last start."""
        logged = self.log.read_bytes() if self.log.exists() else b""
        text = logged[self._log_start_bytes :].decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _started(self) -> Child:
        if self._child is None:
            raise SandboxError(f"{self.name} was not started")
        return self._child

    def _spawn(self) -> None:
        self._clean_up()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._log_start_bytes, self._clean = log.tell(), False
            self._child = self.open(self.command, log, self._env, self._cwd, self._pipes)

    async def _wait_ready(self, ready: Ready, timeout_s: float, poll_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not await _holds(ready):
            if not self.running:
                raise SandboxError(self._complaint(f"ended with code {self.returncode}"))
            if time.monotonic() > deadline:
                raise SandboxError(self._complaint(f"is not ready after {timeout_s:g} s"))
            await asyncio.sleep(poll_s)

    def _complaint(self, what: str) -> str:
        return f"{self.name} {what}. The end of {self.log}:\n{self.log_tail()}"

    def _clean_up(self) -> None:
        """Close the pipes and end what the process left behind in its group.

        Once for each start: later the group's number may be another's.
        """
        if self._child is None or self._clean:
            return
        self._clean = True
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe:
                pipe.close()
        _signal_group(self._child.pid, signal.SIGKILL)


Open = Callable[[list[str], IO[bytes], dict[str, str], Path | None, bool], Child]
"""Starts a command with this log, environment, folder, and pipes or none, in a new session."""


def _popen(
    command: list[str], log: IO[bytes], env: dict[str, str], cwd: Path | None, pipes: bool
) -> Child:
    pipe = subprocess.PIPE if pipes else None
    return subprocess.Popen(
        _tied_to_parent(command),
        stdin=pipe or subprocess.DEVNULL,
        stdout=pipe or log,
        stderr=log,
        env=env,
        cwd=cwd,
        start_new_session=True,
    )


def _tied_to_parent(command: list[str]) -> list[str]:
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


async def _holds(ready: Ready) -> bool:
    try:
        return await ready()
    except (OSError, httpx.TransportError):
        return False
