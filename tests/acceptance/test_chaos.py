"""A short run of chaos: the worker loses nothing, and the suite leaves nothing behind."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from sandbox.processes import PATIENCE_S, Process
from sandbox.worker_process import ROOT

# Its choices: kills of workers and of Redis early on, so that what stalled is back in time.
_SEED, _ROUNDS = "390", "12"


@asynccontextmanager
async def _chaos(folder: Path, *arguments: str) -> AsyncIterator[Process]:
    """`python -m sandbox.chaos`, with all its temporary files below `folder`."""
    command = [sys.executable, "-m", "sandbox.chaos", *arguments]
    env = {**os.environ, "TMPDIR": str(folder)}
    process = Process(command, folder.with_suffix(".log"), name="chaos", cwd=ROOT, env=env)
    await asyncio.to_thread(folder.mkdir)
    await process.start()
    try:
        yield process
    finally:
        await process.kill()


async def test_nothing_is_lost_left_open_or_paid_for_without_a_reason(tmp_path: Path) -> None:
    arguments = ("--rounds", _ROUNDS, "--seed", _SEED, "--minutes", "1")
    async with _chaos(tmp_path / "chaos", *arguments) as chaos:
        code = await chaos.wait(3 * PATIENCE_S)
    report = chaos.log.read_text("utf-8")
    assert code == 0, report
    assert "No violation" in report
    # Nothing can be lost where nothing was done.
    assert re.search(rf"{_ROUNDS} rounds, seed {_SEED}, ", report)
    assert "kill -9 a worker" in report
    assert "Redis" in report
    for name in ("storyboard_generation", "storyboard_download", "download_video", "sleep"):
        assert re.search(rf"│ {name} +│ +[1-9]", report), report
    _assert_nothing_is_left(tmp_path / "chaos")


async def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    async with _chaos(tmp_path / "chaos", "--rounds", "500", "--seed", _SEED) as chaos:
        async with asyncio.timeout(PATIENCE_S):
            while "round   2/500" not in chaos.log.read_text("utf-8"):  # noqa: ASYNC110 (a file)
                await asyncio.sleep(0.05)
        os.kill(chaos.pid, signal.SIGINT)
        assert await chaos.wait(PATIENCE_S) == 130
    _assert_nothing_is_left(tmp_path / "chaos")


def _assert_nothing_is_left(folder: Path) -> None:
    assert list(folder.iterdir()) == []
    assert [one for one in psutil.process_iter() if _is_in(one, folder)] == []


def _is_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.environ().get("TMPDIR", "").startswith(str(folder))
    except psutil.Error:
        return False
