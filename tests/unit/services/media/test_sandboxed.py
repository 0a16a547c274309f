"""An untrusted program ends by its limits, with everything it started."""

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from core.errors import RetryableError, UnrecoverableError
from services.media import sandboxed
from services.media.sandboxed import FILES, NETWORK, Ended, Limits, run_untrusted, within_reach
from tests.support.kernel import landlock, on_linux, with_landlock

LIMITS = Limits(timeout_s=10)
# That of a virtual environment reads files of its folder.
PYTHON = str(Path(sys.executable).resolve())


async def sh(script: str, limits: Limits = LIMITS, folder: Path | None = None) -> Ended:
    return await run_untrusted(["/bin/sh", "-c", script], limits, folder)


async def python(script: str, limits: Limits = LIMITS, folder: Path | None = None) -> Ended:
    return await run_untrusted([PYTHON, "-I", "-c", script], limits, folder)


# `parent` is the worker. What Python has no name for is said in the kernel's numbers.
TRYING = """
import ctypes, fcntl, json, os, resource, socket, struct, sys, termios
parent, (pipe, _), ends = os.getppid(), os.pipe(), []
def prctl(*arguments):
    kernel = ctypes.CDLL(None, use_errno=True)
    if kernel.prctl(*arguments):
        raise OSError(ctypes.get_errno(), "refused")
for order in json.loads(sys.argv[1]):
    try:
        exec(order)
        ends.append("done")
    except OSError as error:
        ends.append(repr(error))
print(json.dumps(ends), file=sys.stderr)
"""


async def trying(orders: Sequence[str], folder: Path | None = None) -> dict[str, str]:
    """What became of each order that one program tried: an error, or "done"."""
    command = [PYTHON, "-I", "-c", TRYING, json.dumps(orders)]
    ended = await run_untrusted(command, LIMITS, folder)
    return dict(zip(orders, json.loads(ended.stderr), strict=True))


@pytest.fixture
def without_seccomp(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, and on processors that we have no numbers for: a program may have children."""
    assert "    forbid_calls()\n" in sandboxed._LAUNCHER
    text = sandboxed._LAUNCHER.replace("    forbid_calls()\n", "")
    monkeypatch.setattr(sandboxed, "_LAUNCHER", text)


async def pids_in(file: Path, count: int) -> list[int]:
    async with asyncio.timeout(5):
        while len(words := await asyncio.to_thread(_words, file)) < count:  # noqa: ASYNC110 (a file)
            await asyncio.sleep(0.01)
    return [int(word) for word in words]


def _words(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


async def gone(pids: list[int]) -> None:
    """A killed process may be a zombie of init's for a moment."""
    async with asyncio.timeout(5):
        while any(_runs(pid) for pid in pids):  # noqa: ASYNC110 (processes)
            await asyncio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_code_and_words_are_returned() -> None:
    assert await sh("echo out; echo one >&2; echo two >&2; exit 3") == Ended(3, "one\ntwo\n")


async def test_a_program_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    ended = await run_untrusted([str(tmp_path / "none")], LIMITS)
    assert ended == Ended(1, "it cannot be started: No such file or directory\n")


async def test_only_the_end_of_a_flood_is_kept() -> None:
    script = "import sys; sys.stderr.write('no more\\n' * 4_000_000 + 'end\\n')"
    ended = await python(script)
    assert 64 * 1024 - len("no more\n") <= len(ended.stderr) <= 64 * 1024
    assert ended.stderr.startswith("no more\n")
    assert ended.stderr.endswith("no more\nend\n")


async def test_the_workers_environment_stays_with_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SUPABASE_SERVICE_KEY", "secret")
    ended = await python("import os, sys; print(sorted(os.environ), os.getcwd(), file=sys.stderr)")
    assert "SUPABASE_SERVICE_KEY" not in ended.stderr
    assert "'PATH'" in ended.stderr
    assert ended.stderr.rstrip().endswith(" /")


@pytest.mark.usefixtures("without_seccomp")
async def test_time_is_limited_for_the_whole_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    limits = Limits(timeout_s=0.5)
    with pytest.raises(RetryableError, match=r"^sh took longer than 0\.5 s$"):
        await sh(f"sleep 573 & echo $! $$ > {pids}; wait", limits, tmp_path)
    await gone(await pids_in(pids, 2))


@pytest.mark.usefixtures("without_seccomp")
async def test_a_cancelled_run_leaves_nothing(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    run = asyncio.create_task(sh(f"sleep 574 & echo $! $$ > {pids}; wait", folder=tmp_path))
    started = await pids_in(pids, 2)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await gone(started)


@pytest.mark.usefixtures("without_seccomp")
async def test_a_child_left_behind_is_ended_and_not_waited_for(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    async with asyncio.timeout(5):
        assert (await sh(f"sleep 575 & echo $! > {pids}", folder=tmp_path)).code == 0
    await gone(await pids_in(pids, 1))


@pytest.mark.skipif(sys.platform != "linux", reason="macOS limits no address space")
async def test_memory_is_limited() -> None:
    limits = Limits(timeout_s=10, memory_bytes=256 * 1024 * 1024)
    ended = await python("bytearray(300 * 1024 * 1024)", limits)
    assert ended.code == 1
    assert "MemoryError" in ended.stderr


@on_linux
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"])
async def test_no_socket_can_be_opened(family: str) -> None:
    script = f"import socket; socket.socket(socket.{family}, socket.SOCK_DGRAM)"
    ended = await python(script)
    assert ended.code == 1
    assert "PermissionError: [Errno 13]" in ended.stderr


@on_linux
async def test_what_the_program_becomes_has_no_network_either() -> None:
    inner = "import socket; socket.socket()"
    script = f"import os, sys; os.execv(sys.executable, [sys.executable, '-c', {inner!r}])"
    assert "PermissionError: [Errno 13]" in (await python(script)).stderr


OTHERS = (
    "os.fork()",
    "os.posix_spawn('/bin/true', ['true'], {})",
    "os.setsid()",
    "os.setpgid(0, 0)",
    "os.kill(parent, 0)",
    "os.kill(-1, 0)",
    "os.killpg(os.getpgid(parent), 0)",
    "resource.prlimit(parent, resource.RLIMIT_CPU, (1, 1))",
    "os.setpriority(os.PRIO_PROCESS, parent, 19)",
    "os.sched_setscheduler(parent, os.SCHED_IDLE, os.sched_param(0))",
    "os.sched_setaffinity(parent, {0})",
    "os.chmod('.', 0o777)",
    "os.utime('.')",
    "os.chown('.', 0, 0)",
    "os.setxattr('.', 'user.a', b'1')",
    "os.truncate('file', 0)",
)
# A pipe's owner and signal, a note of each change of a folder, a lease on a file; the death signal,
# and the sharing of a processor's core.
SIGNALS = (
    "fcntl.fcntl(pipe, fcntl.F_SETOWN, parent)",
    "fcntl.fcntl(pipe, 10, 9)",
    "fcntl.fcntl(pipe, 15, struct.pack('ii', 1, parent))",
    "fcntl.fcntl(os.open('.', os.O_RDONLY), 1026, 2)",
    "fcntl.fcntl(os.open('file', os.O_RDONLY), 1024, fcntl.F_RDLCK)",
    "fcntl.ioctl(pipe, 0x8901, struct.pack('i', parent))",
    "fcntl.ioctl(pipe, 0x8902, struct.pack('i', parent))",
    "fcntl.ioctl(pipe, termios.TIOCSPGRP, struct.pack('i', parent))",
    "fcntl.ioctl(pipe, termios.TIOCSTI, b'x')",
    "prctl(1, 0)",
    "prctl(62, 1, parent, 0, 0)",
    "socket.socketpair()",
)


@pytest.fixture(scope="module")
async def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """`OTHERS` and `SIGNALS`, within the program's own folder."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "file").write_bytes(b"1")
    within = f"os.chdir({str(folder)!r})"
    return await trying([within, *OTHERS, *SIGNALS], folder)


@on_linux
@pytest.mark.parametrize("order", OTHERS)
def test_no_order_reaches_beyond_the_program(order: str, tried: dict[str, str]) -> None:
    assert tried[order].startswith("PermissionError(13, ")


@on_linux
@pytest.mark.parametrize("order", SIGNALS)
def test_the_kernel_takes_no_orders_for_others(order: str, tried: dict[str, str]) -> None:
    """Older kernels than Linux 6.12 let a file's owner be anybody whom signals would reach."""
    assert tried[order].startswith("PermissionError(13, ")


@on_linux
async def test_the_same_calls_are_free_for_all_else() -> None:
    script = (
        "import ctypes, fcntl, os, struct, termios; pipe, _ = os.pipe();"
        "fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_NONBLOCK);"
        "fcntl.ioctl(pipe, termios.FIONREAD, b'    ');"
        "kernel = ctypes.CDLL(None); assert kernel.prctl(15, b'name') == 0"
    )
    assert await python(script) == Ended(0, "")


@on_linux
async def test_what_a_program_does_to_itself_is_its_own() -> None:
    script = (
        "import os, resource, threading; done = threading.Thread(target=print);"
        "done.start(); done.join(); os.kill(os.getpid(), 0);"
        "resource.prlimit(0, resource.RLIMIT_NOFILE, (64, 64))"
    )
    assert await python(script) == Ended(0, "")


@on_linux
async def test_the_worker_cannot_be_looked_into() -> None:
    """16 is PTRACE_ATTACH."""
    script = (
        "import ctypes, os, sys; c = ctypes.CDLL(None, use_errno=True);"
        "done = c.ptrace(16, os.getppid(), 0, 0); sys.exit(f'{done} {ctypes.get_errno()}')"
    )
    assert (await python(script)).stderr == "-1 13\n"


@on_linux
async def test_it_is_the_first_to_go_when_memory_runs_out(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    run = asyncio.create_task(sh(f"echo $$ > {pids}; exec sleep 573", folder=tmp_path))
    [pid] = await pids_in(pids, 1)
    assert _words(Path(f"/proc/{pid}/oom_score_adj")) == ["1000"]
    run.cancel()


@with_landlock
async def test_no_file_of_another_folder_is_seen(tmp_path: Path) -> None:
    secret = tmp_path / ".env.product"
    secret.write_text("SUPABASE_SERVICE_KEY=secret")
    own = tmp_path / "own"
    own.mkdir()
    (own / "link").symlink_to(secret)
    paths = (secret, own / "link", own / "../.env.product", tmp_path / "new", "/etc/passwd")
    hows = ("open({!r}).read()", "open({!r}, 'w')", "os.listdir(os.path.dirname({!r}))")
    ends = await trying([how.format(str(path)) for path in paths for how in hows], own)
    done = [order for order, end in ends.items() if end == "done"]
    assert done == [hows[2].format(str(own / "link"))]
    assert secret.read_text() == "SUPABASE_SERVICE_KEY=secret"
    assert not (tmp_path / "new").exists()


@with_landlock
async def test_its_own_folder_is_read_and_written(tmp_path: Path) -> None:
    script = (
        f"import os, sys; os.chdir({str(tmp_path)!r}); open('a', 'w').write('a');"
        "open('b', 'a').write('b' + open('a').read()); os.unlink('a');"
        "sys.exit(open('b').read() + str(os.listdir()))"
    )
    assert (await python(script, folder=tmp_path)).stderr == "ba['b']\n"


@with_landlock
async def test_its_own_folder_makes_no_program(tmp_path: Path) -> None:
    program = tmp_path / "true"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert "Permission denied" in (await sh(f"exec {program}", folder=tmp_path)).stderr


BELOW_PROC = ("environ", "mem", "cmdline", "fd", "root", "cwd", "maps")


@pytest.fixture(scope="module")
async def read() -> dict[str, str]:
    """What became of opening each of `BELOW_PROC` by a program without a folder."""
    ends = await trying([f"open(f'/proc/{{parent}}/{what}')" for what in BELOW_PROC])
    return dict(zip(BELOW_PROC, ends.values(), strict=True))


@with_landlock
@pytest.mark.parametrize("what", BELOW_PROC)
def test_nothing_is_read_of_the_worker_below_proc(what: str, read: dict[str, str]) -> None:
    assert read[what].startswith("PermissionError(")


@with_landlock
async def test_what_is_within_reach_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await within_reach() == []
    whole = sandboxed._LAUNCHER
    for step, left in (("forbid_calls()", [NETWORK]), ("forbid_files(folder, ", [FILES])):
        lines = [line for line in whole.split("\n") if not line.startswith(f"    {step}")]
        monkeypatch.setattr(sandboxed, "_LAUNCHER", "\n".join(lines))
        assert await within_reach() == left


@with_landlock
@pytest.mark.parametrize(("folder", "said"), [("bin", "libraries"), ("app", "Permission denied")])
async def test_a_program_beside_an_application_sees_itself_alone(
    tmp_path: Path, folder: str, said: str
) -> None:
    program = tmp_path / folder / "ffmpeg"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nread line < ${0%/*}/.env\necho $line >&2\n")
    program.chmod(0o755)
    (program.parent / ".env").write_text("libraries\n")
    assert (await run_untrusted([str(program)], LIMITS)).stderr.strip().endswith(said)


@pytest.mark.skipif(landlock() < 6, reason="before Linux 6.12")
@pytest.mark.usefixtures("without_seccomp")
async def test_no_signal_reaches_the_worker() -> None:
    script = "import os; os.kill(os.getppid(), 0)"
    assert "PermissionError: [Errno 1]" in (await python(script)).stderr


async def test_the_size_of_a_file_is_limited(tmp_path: Path) -> None:
    limits = Limits(timeout_s=10, file_bytes=1024 * 1024)
    file = tmp_path / "file"
    with pytest.raises(UnrecoverableError, match="its file would be larger than 1 MiB"):
        await sh(f"exec head -c 5000000 /dev/zero > {file}", limits, tmp_path)
    assert file.stat().st_size == 1024 * 1024


async def test_a_crash_will_happen_again_and_a_kill_may_not() -> None:
    with pytest.raises(UnrecoverableError, match=r"^sh crashed \(signal 11\)$"):
        await sh("kill -SEGV $$")
    with pytest.raises(RetryableError, match=r"^sh was killed \(signal 9\), most likely"):
        await sh("kill -KILL $$")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_the_workers_tree_does_not_interrupt(
    tmp_path: Path, number: signal.Signals
) -> None:
    """PM2 sends them to every process; the worker alone decides when its jobs end."""
    pids = tmp_path / "pids"
    script = f"import os, time; open({str(pids)!r}, 'w').write(str(os.getpid())); time.sleep(0.3)"
    run = asyncio.create_task(python(f"{script}; os._exit(7)", folder=tmp_path))
    [pid] = await pids_in(pids, 1)
    psutil.Process(pid).send_signal(number)
    assert (await run).code == 7


async def test_no_descriptor_is_left_open() -> None:
    await sh("true")
    before = psutil.Process().num_fds()
    for _ in range(3):
        await sh("true")
    assert psutil.Process().num_fds() == before
