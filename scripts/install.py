"""Install a lock's packages into .venv: python scripts/install.py worker|all

With `all` those of requirements/otel.txt go into .cache/otel: where redis-py finds OpenTelemetry,
it imports its metrics, which takes each process 0.1 s.

Does nothing when they are there. Of several at a time, as by `make check & make demo`, one installs
and the others wait for it. Standard library alone, and nothing newer than Python 3.8 has, since an
old one must be able to name the Python that is needed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_ROOT = Path(__file__).resolve().parent.parent
_VENV = _ROOT / ".venv"
# A line for each lock whose packages are installed: its name and the hash of its content.
_STAMP = _VENV / ".installed"
_APART = _ROOT / ".cache/otel"
_STAMP_APART = _APART / ".installed"
# Which locks are installed by which: all.txt has every package of worker.txt in the same version.
_COVERS = {"worker": ("worker",), "all": ("worker", "all")}
_OLDEST = (3, 11)


def main(arguments: Sequence[str]) -> int:
    """Install the named lock unless it is installed; the exit code."""
    if len(arguments) != 1 or arguments[0] not in _COVERS:
        _say(str(__doc__))
        return 2
    [lock] = arguments
    if _is_installed(lock):
        return 0
    if not _has_venv() and sys.version_info < _OLDEST:
        _say("❌ Python 3.11 or newer is needed: make PYTHON=python3.12 …")
        return 1
    with _alone():
        return 0 if _is_installed(lock) else _install(lock)


@contextmanager
def _alone() -> Generator[None]:
    """Keep other installations out; the kernel frees the lock of one that dies."""
    _VENV.mkdir(exist_ok=True)
    folder = os.open(_VENV, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Waiting for another installation")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _install(lock: str) -> int:
    code = 0 if _has(_STAMP, lock) else _install_into_venv(lock)
    if code != 0 or _is_installed(lock):
        return code
    return _install_apart()


def _install_into_venv(lock: str) -> int:
    _say(f"Installing requirements/{lock}.txt into .venv")
    _STAMP.unlink(missing_ok=True)
    if not _has_venv():
        shutil.rmtree(_APART, ignore_errors=True)  # it may be of another Python
        code = subprocess.call([sys.executable, "-m", "venv", _VENV])  # noqa: S603
        if code != 0:
            return code
    code = _pip_install(lock)
    if code == 0:
        _STAMP.write_text("".join(map(_line, _COVERS[lock])), "utf-8")
    return code


def _install_apart() -> int:
    _say("Installing requirements/otel.txt into .cache/otel")
    shutil.rmtree(_APART, ignore_errors=True)
    _APART.mkdir(parents=True)
    code = _pip_install("otel", "--target", str(_APART))
    if code == 0:
        _STAMP_APART.write_text(_line("otel"), "utf-8")
    return code


def _pip_install(lock: str, *options: str) -> int:
    # pip checks every file against the hashes in the lock, which is complete: without --no-deps
    # older versions of pip look for newer releases of what is wanted with an extra, and then refuse
    # them.
    pip = [_VENV / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    locked = ["--require-hashes", "--no-deps", "--requirement", _file(lock)]
    return subprocess.call([*pip, *options, *locked])  # noqa: S603


def _has_venv() -> bool:
    """A whole one: pip is put into it last, so one without was interrupted."""
    return (_VENV / "bin/pip").exists()


def _is_installed(lock: str) -> bool:
    return _has(_STAMP, lock) and (lock != "all" or _has(_STAMP_APART, "otel"))


def _has(stamp: Path, lock: str) -> bool:
    try:
        return _line(lock) in stamp.read_text("utf-8")
    except FileNotFoundError:  # nothing is installed yet, or somebody began to install just now
        return False


def _line(lock: str) -> str:
    return f"{lock} {hashlib.sha256(_file(lock).read_bytes()).hexdigest()}\n"


def _file(lock: str) -> Path:
    return _ROOT / f"requirements/{lock}.txt"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 (it is a program)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
