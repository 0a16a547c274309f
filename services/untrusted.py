"""Runs a program on a stranger's file: bounded in time, memory and output, and gone afterwards."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import PermanentError, RetryableError

_MIB = 1024 * 1024

# Runs in the child before the real program, which it becomes.
# - Signals: PM2 sends SIGINT to every process of the worker's tree, and what runs shall go on for
#   as long as the worker lets its jobs go on. A blocked signal stays blocked in the program.
# - On Linux the kernel kills the child when the worker dies (1 = PR_SET_PDEATHSIG), which may have
#   happened before that call. macOS has neither this nor a limit on address space.
# - Niceness: the event loop has job locks to renew while the program computes.
_LAUNCHER = """
import os, resource, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(ignored_by_python, signal.SIG_DFL)
parent, cpu_s, file_bytes, memory_bytes = map(int, sys.argv[1:5])
limits = {resource.RLIMIT_CPU: cpu_s, resource.RLIMIT_FSIZE: file_bytes, resource.RLIMIT_CORE: 0}
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
    limits[resource.RLIMIT_AS] = memory_bytes
if os.getppid() != parent:
    sys.exit(1)
for kind, wanted in limits.items():
    hard = resource.getrlimit(kind)[1]
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (limit, limit))
os.nice(5)
try:
    os.execv(sys.argv[5], sys.argv[5:])
except OSError as error:
    sys.exit(f"it cannot be started: {error.strerror}")
"""
# No setting of the worker's, and so no secret. Each arena of glibc's reserves 64 MiB of address
# space, and one a thread would use up the limit.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "MALLOC_ARENA_MAX": "2"}
# The end of what it says; a damaged file can make a program talk without end.
_KEPT_BYTES = 64 * 1024
# Until the pipe of a killed group is closed.
_CLOSING_S = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use: seconds on the clock, address space, the size of any file it writes."""

    timeout_s: float
    memory_bytes: int = 2048 * _MIB
    file_bytes: int = 64 * _MIB


@dataclass(frozen=True, slots=True)
class Ended:
    """The exit code, and the end of what was said on standard error."""

    code: int
    said: str


class _Tail(asyncio.Protocol):
    """The end of a stream."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.kept += data
        del self.kept[:-_KEPT_BYTES]

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


async def run_untrusted(command: Sequence[str], limits: Limits) -> Ended:
    """Run a program by its absolute path, in a session of its own, of which nothing stays behind.

    Raises PermanentError when it crashes, computes for too long or writes too large a file: it
    would do so again. Raises RetryableError when the clock or somebody else ended it: the machine
    may have been busy.
    """
    async with _listening() as (pipe, tail):
        process = await _start(command, limits, pipe)
        try:
            async with asyncio.timeout(limits.timeout_s):
                code = await process.wait()
        except TimeoutError:
            message = f"{_name(command)} took longer than {limits.timeout_s:g} s"
            raise RetryableError(message) from None
        finally:
            await _end(process)
        with suppress(TimeoutError):
            await asyncio.wait_for(tail.closed.wait(), _CLOSING_S)
    if code < 0:
        raise _killed(_name(command), -code, limits)
    return Ended(code, tail.kept.decode(errors="replace"))


@asynccontextmanager
async def _listening() -> AsyncGenerator[tuple[int, _Tail]]:
    """A pipe to write to and what comes out of it; `_start` closes the pipe on this side."""
    read, write = os.pipe()
    loop = asyncio.get_running_loop()
    transport, tail = await loop.connect_read_pipe(_Tail, os.fdopen(read, "rb", 0))
    try:
        yield write, tail
    finally:
        transport.close()


async def _start(command: Sequence[str], limits: Limits, pipe: int) -> Process:
    # The clock ends a run long before this does; it counts when the worker itself was killed.
    cpu_s = int(limits.timeout_s + 1) * (os.cpu_count() or 1)
    bounds = [os.getpid(), cpu_s, limits.file_bytes, limits.memory_bytes]
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *map(str, bounds)]
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
    """Kill what is left of the group, its leader or not."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _killed(name: str, number: int, limits: Limits) -> PermanentError | RetryableError:
    if number == signal.SIGXFSZ:
        size = f"{limits.file_bytes / _MIB:g} MiB"
        return PermanentError(f"{name} was stopped: its file would be larger than {size}")
    if number in {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}:
        # SIGKILL: most likely by the kernel, for want of memory.
        return RetryableError(f"{name} was ended from outside (signal {number})")
    return PermanentError(f"{name} crashed (signal {number})")


def _name(command: Sequence[str]) -> str:
    """The program's plain name: the wheel's is called `ffmpeg-linux-x86_64-v9.0.2`."""
    return Path(command[0]).name.partition("-")[0]
