"""run --watch: the worker in its own process, restarted when the code or a setting changes.

A restart hands running jobs back, as every stop does.
"""

import importlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from config.environment import DEFAULT_FILES

_ROOT = Path(__file__).parent.parent
_PACKAGES = ("bullmq_consumer", "commands", "config", "core", "handlers", "runtime", "services")
_CODE = frozenset({".py", ".lua"})
# Treats a checkout, or an editor that saves all files, as one change.
_DEBOUNCE_MS = 500
# How often to check whether the worker still runs.
_LOOK_MS = 250


def run_watched(arguments: Sequence[str], env_file: Path | None) -> int:
    """Run workers until Ctrl-C or SIGTERM, or until one exits cleanly; returns its exit code."""
    try:
        watchfiles: Any = importlib.import_module("watchfiles")
    except ModuleNotFoundError:
        typer.echo("✗ --watch needs the package watchfiles: `make dev` installs it", err=True)
        return 1
    stop = threading.Event()
    worker = _Worker(arguments, stop)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, worker.on_signal)
    changes = watchfiles.watch(
        *_folders(env_file),
        watch_filter=_filter(env_file),
        debounce=_DEBOUNCE_MS,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
        stop_event=stop,
        raise_interrupt=False,
        recursive=False,
    )
    return _follow(worker, (sorted(path for _, path in found) for found in changes))


class _Worker:
    """The current worker process.

    It has its own process group, so that Ctrl-C reaches it only once, through us: a second signal
    would kill it.
    """

    def __init__(self, arguments: Sequence[str], stop: threading.Event) -> None:
        self._command = [sys.executable, str(_ROOT / "worker.py"), "run", *arguments]
        self._stop = stop
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start a worker; the previous one has ended."""
        self._process = subprocess.Popen(self._command, process_group=0)  # noqa: S603 (ourselves)

    def stop(self) -> int:
        """Stop the worker in order; returns its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        return self._process.wait()

    def ended(self) -> int | None:
        """The exit code, None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def on_signal(self, number: int, _: object) -> None:
        """The first signal stops the worker in order; the next one kills it."""
        if self._stop.is_set() and self._process is not None:
            self._process.send_signal(number)
        self._stop.set()


def _follow(worker: _Worker, changes: Iterable[Sequence[str]]) -> int:
    worker.start()
    is_waiting = False
    for paths in changes:
        code = worker.ended()
        if paths:
            _print(f"{_short(paths)} changed: restarting")
            worker.stop()
            worker.start()
            is_waiting = False
        elif code == 0:
            return 0
        elif code is not None and not is_waiting:
            is_waiting = True
            _print(f"The worker ended with code {code}; the next change restarts it")
    # A worker that was stopped before it handled signals was ended by the signal itself.
    return 0 if is_waiting else max(worker.stop(), 0)


def _short(paths: Sequence[str]) -> str:
    first = Path(paths[0])
    name = first.relative_to(_ROOT) if first.is_relative_to(_ROOT) else first
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{name}{more}"


def _folders(env_file: Path | None) -> Iterator[Path]:
    """The folders to watch, listed so that .venv and .cache are not watched, too."""
    yield _ROOT
    for package in _PACKAGES:
        yield _ROOT / package
        yield from (path.parent for path in (_ROOT / package).glob("*/__init__.py"))
    for folder in {Path.cwd(), env_file.resolve().parent if env_file else _ROOT}:
        if folder != _ROOT:
            yield folder


def _filter(env_file: Path | None) -> Callable[[object, str], bool]:
    """Whether a changed file in these folders belongs to the worker."""
    env_files = {env_file.resolve()} if env_file else {path.resolve() for path in DEFAULT_FILES}

    def matters(_: object, changed: str) -> bool:
        path = Path(changed)
        return path in env_files or (path.suffix in _CODE and path.is_relative_to(_ROOT))

    return matters


def _print(text: str) -> None:
    typer.echo(f"↻ {text}", err=True)
