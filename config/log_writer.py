"""Lines on their way out, by a thread of its own: who does not read them must not stop the worker.

    write() ──> at most 4 MiB that wait ──> the thread ──> stdout

A pipe holds 64 KiB. When nobody reads it, the thread waits, and what has no room is counted: a line
says how many are missing, in their place. Lines keep their order, and none is lost while somebody
reads.
"""

import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TextIO

# Some 20,000 lines.
_ROOM = 4 * 1024 * 1024
# What is written at once.
_PIECE = 64 * 1024
# For how long the end waits for a reader. A stop has 5 s beyond its grace and takes 4.6 of them at
# worst, when Redis is away; all others are far below that.
_LAST_S = 0.3


class LogWriter:
    """A sink for Loguru over `stream`. `missing` is the line that stands for so many others."""

    def __init__(self, stream: TextIO, missing: Callable[[int], str]) -> None:
        self._put = _output(stream)
        self._missing = missing
        self._lines: deque[str] = deque()
        self._size = 0
        self._missed = 0
        self._is_ending = self._is_broken = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, message: str) -> None:
        """Take a line, or count it where there is no room. Never waits for a reader."""
        with self._changed:
            if self._size + len(message) > _ROOM:
                self._missed += 1
                return
            self._tell_missed()
            self._append(str(message))  # Loguru's own kind of text holds the whole record
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until all is written, but not for a reader that does not read."""
        with self._changed:
            self._changed.wait_for(lambda: not self._size, _LAST_S)

    def stop(self) -> None:
        """End when all is written. Loguru calls it, at the latest at the interpreter's end."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        self._thread.join(_LAST_S)

    def _append(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line)

    def _tell_missed(self) -> None:
        if self._missed:
            self._append(self._missing(self._missed))
            self._missed = 0

    # -- in the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        while piece := self._next():
            self._write(piece)
            with self._changed:
                self._size -= len(piece)
                self._changed.notify_all()

    def _next(self) -> str:
        """Some lines that wait; nothing when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._is_ending)
            if not self._lines:
                self._tell_missed()
            taken: list[str] = []
            size = 0
            while self._lines and size < _PIECE:
                taken.append(self._lines.popleft())
                size += len(taken[-1])
        return "".join(taken)

    def _write(self, piece: str) -> None:
        """A log that nobody takes any more must not fail jobs: stderr hears of it, once."""
        try:
            self._put(piece)
            self._is_broken = False
        except (OSError, ValueError) as error:
            if not self._is_broken:
                self._is_broken = True
                with suppress(OSError, ValueError):
                    sys.stderr.write(f"Log lines cannot be written: {error}\n")


def _output(stream: TextIO) -> Callable[[str], object]:
    """Past the stream's own buffer: the interpreter's end would wait for a thread inside of it."""
    try:
        return partial(_write_all, stream.fileno())
    except (OSError, ValueError):  # it is in memory alone
        return stream.write


def _write_all(descriptor: int, text: str) -> None:
    left = memoryview(text.encode("utf-8", "backslashreplace"))
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # another program has set the pipe so for all
            select.select([], [descriptor], [])
