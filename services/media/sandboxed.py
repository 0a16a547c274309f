"""Runs a program on an untrusted file: limited in time, memory and output, leaving no process.

On Linux it also has no access to the network, other processes and any files but its own.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import PermanentError, TransientError
from core.people import Cause

_MIB = 1024 * 1024

NETWORK, FILES = "the network", "files outside its job"

# Read once: an update may have replaced the file by the time a job comes.
_LAUNCHER = Path(__file__).with_name("launcher.py").read_text("utf-8")
# None of the worker's variables, so no secret. Each of glibc's arenas reserves 64 MiB of address
# space, and one per thread would exhaust the limit.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "MALLOC_ARENA_MAX": "2"}
# A virtual environment's Python would have to read files in the environment's folder.
_PYTHON = os.path.realpath(sys.executable)
# Prints what it could access when it exits.
_ATTEMPTS = f"""
import os, sys, _socket
found = []
for what, attempt in (({NETWORK!r}, _socket.socket), ({FILES!r}, lambda: os.listdir("/etc"))):
    try:
        attempt()
    except OSError:
        continue
    found.append(what)
sys.exit(", ".join(found))
"""
# Only the end is kept: a damaged file can make a program write without end.
_MAX_STDERR_BYTES = 64 * 1024
# How long the pipe of a killed group may take to close.
_CLOSING_S = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one run: wall-clock time, address space, the size of any file that it writes."""

    timeout_s: float
    memory_bytes: int = 2048 * _MIB
    file_bytes: int = 64 * _MIB


@dataclass(frozen=True, slots=True)
class Ended:
    """The exit code, and the end of its standard error."""

    code: int
    stderr: str


class _Tail(asyncio.Protocol):
    """The end of a stream."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._is_cut = False
        self.closed = asyncio.Event()

    def text(self) -> str:
        """The kept end, from its first whole line."""
        text = self._bytes.decode(errors="replace")
        return text.partition("\n")[2] or text if self._is_cut else text

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        self._is_cut = self._is_cut or len(self._bytes) > _MAX_STDERR_BYTES
        del self._bytes[:-_MAX_STDERR_BYTES]

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


async def run_untrusted(
    command: Sequence[str], limits: Limits, folder: Path | None = None
) -> Ended:
    """Run a program by its absolute path, in its own session, all of which is killed afterwards.

    `folder` is the only one whose files it may read and write, besides reading the system's.

    Raises PermanentError when it crashes, uses too much CPU time or writes too large a file: it
    would do so again. Raises TransientError when it timed out or was killed from outside: the
    machine may have been busy.
    """
    async with _listening() as (pipe, tail):
        process = await _start(command, limits, folder, pipe)
        try:
            async with asyncio.timeout(limits.timeout_s):
                code = await process.wait()
        except TimeoutError:
            message = f"{_name(command)} took longer than {limits.timeout_s:g} s"
            raise TransientError(message, cause=Cause.TOO_LONG) from None
        finally:
            await _end(process)
        with suppress(TimeoutError):
            await asyncio.wait_for(tail.closed.wait(), _CLOSING_S)
    if code < 0:
        raise _killed(_name(command), -code, limits)
    return Ended(code, tail.text())


async def within_reach() -> list[str]:
    """Which of NETWORK and FILES an untrusted program can access on this machine; best none.

    Raises as `run_untrusted`.
    """
    ended = await run_untrusted([_PYTHON, "-I", "-S", "-c", _ATTEMPTS], Limits(timeout_s=10))
    return [what for what in (NETWORK, FILES) if what in ended.stderr]


@asynccontextmanager
async def _listening() -> AsyncGenerator[tuple[int, _Tail]]:
    """A pipe's end to write to, and its output; `_start` closes that end in this process."""
    read, write = os.pipe()
    loop = asyncio.get_running_loop()
    transport, tail = await loop.connect_read_pipe(_Tail, os.fdopen(read, "rb", 0))
    try:
        yield write, tail
    finally:
        transport.close()


async def _start(command: Sequence[str], limits: Limits, folder: Path | None, pipe: int) -> Process:
    # The wall-clock limit ends a run long before this one, which is for when the worker was killed.
    cpu_s = int(limits.timeout_s + 1) * (os.cpu_count() or 1)
    bounds = [os.getpid(), cpu_s, limits.file_bytes, limits.memory_bytes]
    bounded = [*map(str, bounds), str(folder or "")]
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *bounded]
    try:
        return await asyncio.create_subprocess_exec(
            *launcher,
            *command,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=pipe,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(pipe)


async def _end(process: Process) -> None:
    """Kill what is left of the group, whether or not its leader still runs."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _killed(name: str, number: int, limits: Limits) -> PermanentError | TransientError:
    if number == signal.SIGXFSZ:
        size = f"{limits.file_bytes / _MIB:g} MiB"
        found = f"{name} was stopped: its file would be larger than {size}"
        return PermanentError(found, cause=Cause.UNUSABLE)
    if number == signal.SIGKILL:
        found = f"{name} was killed (signal 9), most likely for want of memory"
        return TransientError(found, cause=Cause.OUR_SIDE)
    if number in {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}:
        return TransientError(f"{name} was ended from outside (signal {number})")
    return PermanentError(f"{name} crashed (signal {number})", cause=Cause.UNUSABLE)


def _name(command: Sequence[str]) -> str:
    """The program's plain name: the wheel's is called `ffmpeg-linux-x86_64-v9.0.2`."""
    return Path(command[0]).name.partition("-")[0]
