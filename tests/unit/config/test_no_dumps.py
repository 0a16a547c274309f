"""What other processes see of the worker's, which holds keys."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from sandbox.worker_process import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")

# As every user but root. 24 is PR_CAPBSET_DROP.
PLAIN = (
    "import ctypes, os, sys; kernel = ctypes.CDLL(None);"
    "[kernel.prctl(24, capability, 0, 0, 0) for capability in range(64)];"
)
WAIT = "print('ready', flush=True); input()"


@contextmanager
def process(script: str) -> Generator[int]:
    become = f"{PLAIN} os.execv(sys.executable, [sys.executable, '-c', {script!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", become],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={"SUPABASE_SERVICE_KEY": "secret"},
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        yield started.pid
        started.communicate(b"\n")


def seen(path: str) -> str:
    become = f"{PLAIN} os.execv('/bin/cat', ['cat', {path!r}])"
    ended = subprocess.run([sys.executable, "-c", become], capture_output=True, text=True)
    return ended.stdout + ended.stderr


def test_the_environment_of_other_processes_can_be_read() -> None:
    with process(WAIT) as pid:
        assert "SUPABASE_SERVICE_KEY=secret" in seen(f"/proc/{pid}/environ")


@pytest.mark.parametrize("what", ["environ", "mem", "maps"])
def test_the_workers_cannot(what: str) -> None:
    with process(f"from config.no_dumps import forbid_dumps; forbid_dumps(); {WAIT}") as pid:
        assert seen(f"/proc/{pid}/{what}").endswith("Permission denied\n")


def test_what_the_worker_reads_of_itself_is_there() -> None:
    """As the metrics of the process do, and sub-processes that close what they inherit."""
    reading = (
        "import os, subprocess; from config.no_dumps import forbid_dumps; forbid_dumps();"
        "open('/proc/self/stat').read(); open('/proc/self/statm').read();"
        "assert len(os.listdir('/proc/self/fd')) > 2; subprocess.run(['true'], check=True);"
    )
    with process(reading + WAIT):
        pass
