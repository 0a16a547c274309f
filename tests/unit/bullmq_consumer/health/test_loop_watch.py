"""A loop that really blocks, and what is said of it."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bullmq_consumer.health.loop_watch import LoopWatch

ROOT = Path(__file__).parents[4]


def never() -> None:
    raise AssertionError("it gave up")


async def call_back(function: Callable[[], object]) -> None:
    """Let the loop itself call it, and wait for the beat that comes behind it."""
    called = asyncio.Event()

    def call() -> None:
        function()
        called.set()

    asyncio.get_running_loop().call_soon(call)
    await called.wait()
    await asyncio.sleep(0.15)  # longer than the period of the beat


def block(seconds: float) -> None:
    time.sleep(seconds)


async def test_a_blockage_is_logged_once_with_its_length_and_place(lines: list[str]) -> None:
    with LoopWatch(never):
        await call_back(lambda: block(0.6))
    (line,) = lines
    assert line.startswith("WARNING The event loop was blocked for 0.")
    assert "(0.0" in line  # it slept, and used no CPU
    assert "tests/unit/bullmq_consumer/health/test_loop_watch.py" in line
    assert "in block < " in line
    assert "asyncio" not in line


async def test_a_blockage_in_a_library_names_who_called_it(lines: list[str]) -> None:
    with LoopWatch(never):
        await call_back(lambda: subprocess.run(["sleep", "0.6"], check=True))
    (line,) = lines
    assert "subprocess.py" in line.split(" < ")[0]
    assert "test_loop_watch.py" in line


async def test_a_busy_loop_that_is_never_blocked_is_left_alone(lines: list[str]) -> None:
    with LoopWatch(never) as watch:
        ends = time.monotonic() + 0.7
        while time.monotonic() < ends:
            block(0.02)
            await asyncio.sleep(0)
        assert watch.largest_lag() < timedelta(milliseconds=250)
    assert lines == []


async def test_the_largest_lag_is_kept(lines: list[str]) -> None:
    with LoopWatch(never) as watch:
        await call_back(lambda: block(0.5))
        await call_back(lambda: block(0.2))
        assert timedelta(seconds=0.3) < watch.largest_lag() < timedelta(seconds=1)


async def test_many_blockages_do_not_flood_the_log(lines: list[str]) -> None:
    with LoopWatch(never, limit=timedelta(milliseconds=1)):
        for _ in range(9):
            await call_back(lambda: block(0.15))
    assert len(lines) == 6


async def test_a_loop_that_stays_blocked_is_given_up(lines: list[str]) -> None:
    given_up = threading.Event()
    limits = {"limit": timedelta(seconds=0.1), "give_up": timedelta(seconds=0.5)}
    with LoopWatch(given_up.set, **limits):
        await call_back(lambda: given_up.wait(5))
    assert given_up.is_set()
    assert lines[0].startswith("CRITICAL The event loop has been blocked for ")
    assert "test_loop_watch.py" in lines[0]


SUSPENDED = """
import asyncio, datetime, os, sys
import logging
from bullmq_consumer.health.loop_watch import LoopWatch
logging.basicConfig(stream=sys.stdout, format="%(message)s")
async def main():
    seconds = datetime.timedelta(seconds=1)
    with LoopWatch(lambda: os._exit(3), give_up=seconds) as watch:
        print("ready", flush=True)
        while watch.largest_lag() < seconds:
            await asyncio.sleep(0.01)
asyncio.run(main())
"""


@pytest.mark.slow
def test_a_suspended_process_is_told_from_a_blocked_loop() -> None:
    """It was away for longer than a blockage may last, and yet goes on."""
    command = [sys.executable, "-c", SUSPENDED]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(process.pid, signal.SIGCONT)
        said, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "(0.0" in said
    assert "no place: the whole process was suspended" in said
