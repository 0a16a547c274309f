"""One folder per worker process in the temporary folder, and removal of killed workers' folders.

A folder is called `vidfab-{pid}-{when the process started}-{random}` and locked (flock) while its
worker lives. The start time detects a recycled pid; the lock protects workers whose pids are not
visible here, because they share the temporary folder from another container.
"""

import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from loguru import logger

from bullmq_consumer.machine import MachineUnfit, lack_of
from services.media.temp_files import PREFIX

_NAME = re.compile(rf"{PREFIX}(\d+)-(\d+)-\w+")
# States of a process that has ended and was not reaped yet.
_DEAD = ("Z", "X")


class WorkFolder:
    """This process's folder, created on first use. It contains the jobs' folders."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._lock: int | None = None

    def path(self) -> Path:
        """The folder's path; recreated if it was deleted from outside. Raises MachineUnfit."""
        if self._path is None or not self._path.is_dir():
            self.remove()
            with _needed():
                self._path, self._lock = _make()
        return self._path

    def remove(self) -> None:
        """Delete the folder with its contents."""
        if self._path is not None and self._lock is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            os.close(self._lock)
            self._path = self._lock = None


class JobFolder:
    """One attempt's folder below `parent`, created on first use and deleted at `__exit__`.

    `parent` None is the system's temporary folder.
    """

    def __init__(self, parent: Callable[[], Path | None]) -> None:
        self._parent = parent
        self._path: Path | None = None

    def path(self) -> Path:
        """The folder's path. Raises MachineUnfit."""
        if self._path is None:
            with _needed():
                self._path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self._parent()))
        return self._path

    def remove(self) -> None:
        """Delete the folder with its contents; the next use creates it again."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            self._path = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def remove_abandoned() -> None:
    """Delete the folders of this user's dead workers."""
    for entry in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if found := _NAME.fullmatch(entry.name):
            # One that cannot be read, locked or deleted is not ours, in use, or already gone.
            with suppress(OSError):
                _remove_if_abandoned(entry, int(found[1]), int(found[2]))


def _remove_if_abandoned(folder: Path, pid: int, started: int) -> None:
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid() or _is_alive(pid, started):
        return
    lock = _open(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(lock)
    logger.info("Removed the work folder of a worker that is gone: {}", folder)


@contextmanager
def _needed() -> Generator[None]:
    """Raises MachineUnfit for any OSError: a folder that cannot be made is the machine's fault."""
    try:
        yield
    except OSError as error:
        reason = f"no work folder can be made ({error.strerror or error})"
        raise MachineUnfit(lack_of(error) or reason) from error


def _make() -> tuple[Path, int]:
    pid = os.getpid()
    started = _started(pid) or int(time.time())
    path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{pid}-{started}-"))
    lock = _open(path)
    # Held until the process ends, however it does; children do not inherit it. On a file system
    # without locks only the pid protects it.
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return path, lock


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _is_alive(pid: int, started: int) -> bool:
    """Whether this process still runs; without /proc, whether any process has its pid."""
    if Path("/proc/self/stat").exists():
        return _started(pid) == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _started(pid: int) -> int | None:
    """When a process started, in clock ticks since the boot; None if it is gone or not Linux."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in brackets, which may hold anything. After it come
    # the state (the third) and at last the start time (the 22nd).
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in _DEAD else int(fields[19])
