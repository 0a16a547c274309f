"""run --watch: the worker in a process of its own, started anew when the code or a setting changes.

Running jobs go back to the queue in between, as with every stop.
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
# An editor that saves all files, or a checkout, is one change.
_DEBOUNCE_MS = 500
# How often it is looked whether the worker still runs.
_LOOK_MS = 250


def run_watched(arguments: Sequence[str], env_file: Path | None) -> int:
    """Run workers until Ctrl-C or SIGTERM, or until one ends in order; its exit code."""
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
    """The worker that runs now.

    It is in a process group of its own: Ctrl-C reaches it once, by way of us, since a second signal
    would kill it.
    """

    def __init__(self, arguments: Sequence[str], stop: threading.Event) -> None:
        self._command = [sys.executable, str(_ROOT / "worker.py"), "run", *arguments]
        self._stop = stop
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start one; the one before has ended."""
        self._process = subprocess.Popen(self._command, process_group=0)  # noqa: S603 (ourselves)

    def stop(self) -> int:
        """Have it hand its jobs back; the exit code once it has ended."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        return self._process.wait()

    def ended(self) -> int | None:
        """The exit code, None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def on_signal(self, number: int, _: object) -> None:
        """The first one stops in order; the next one reaches a worker that waits, and kills it."""
        if self._stop.is_set() and self._process is not None:
            self._process.send_signal(number)
        self._stop.set()


def _follow(worker: _Worker, changes: Iterable[Sequence[str]]) -> int:
    worker.start()
    is_waiting = False
    for paths in changes:
        code = worker.ended()
        if paths:
            _say(f"{_short(paths)} changed: starting anew")
            worker.stop()
            worker.start()
            is_waiting = False
        elif code == 0:
            return 0
        elif code is not None and not is_waiting:
            is_waiting = True
            _say(f"The worker ended with code {code}; the next change starts it anew")
    # One that was stopped before it could listen ended by the signal itself.
    return 0 if is_waiting else max(worker.stop(), 0)


def _short(paths: Sequence[str]) -> str:
    first = Path(paths[0])
    name = first.relative_to(_ROOT) if first.is_relative_to(_ROOT) else first
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{name}{more}"


def _folders(env_file: Path | None) -> Iterator[Path]:
    """One by one: a watch on all that lies below the project would read .venv and .cache, too."""
    yield _ROOT
    for package in _PACKAGES:
        yield _ROOT / package
        yield from (path.parent for path in (_ROOT / package).glob("*/__init__.py"))
    for folder in {Path.cwd(), env_file.resolve().parent if env_file else _ROOT}:
        if folder != _ROOT:
            yield folder


def _filter(env_file: Path | None) -> Callable[[object, str], bool]:
    """What of all that changes in these folders the worker is made of."""
    env_files = {env_file.resolve()} if env_file else {path.resolve() for path in DEFAULT_FILES}

    def matters(_: object, changed: str) -> bool:
        path = Path(changed)
        return path in env_files or (path.suffix in _CODE and path.is_relative_to(_ROOT))

    return matters


def _say(text: str) -> None:
    typer.echo(f"↻ {text}", err=True)
