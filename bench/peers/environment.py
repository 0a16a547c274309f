"""The peers' packages, in an environment of their own: .cache/peers, by requirements/peers.txt."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.processes import SandboxError
from sandbox.worker_process import ROOT

_LOCK = ROOT / "requirements/peers.txt"
_FOLDER = ROOT / ".cache/peers"
# The lock that it was made by.
_STAMP = _FOLDER / "installed.txt"


async def programs() -> Path:
    """The folder of its programs, `python` among them, installed unless they are there.

    Raises SandboxError.
    """
    if not _STAMP.exists() or _STAMP.read_bytes() != _LOCK.read_bytes():
        await asyncio.to_thread(_install)
    return _FOLDER / "bin"


def _install() -> None:
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _run(sys.executable, "-m", "venv", str(_FOLDER))
    pip = [str(_FOLDER / "bin/python"), "-m", "pip", "install", "--quiet"]
    _run(*pip, "--disable-pip-version-check", "--require-hashes", "--no-deps", "-r", str(_LOCK))
    shutil.copyfile(_LOCK, _STAMP)


def _run(*command: str) -> None:
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ran.returncode != 0:
        raise SandboxError(f"The peers could not be installed: {ran.stdout[-2000:]}")
