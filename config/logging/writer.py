"""Lines on their way out, by a thread of its own: who does not read them must not stop the worker.

    write() ──> at most 4 Mi characters that wait ──> the thread ──> stdout

A pipe holds 64 KiB. When nobody reads it, the thread waits, and what has no room is counted: a line
says how many are missing, in their place. Lines keep their order, and none is lost while somebody
reads; at the end a reader has 0.3 s for what waits.

Loguru calls `write` and `stop` one at a time, in a lock of its own that refuses whoever is in it
already. An object may log as it is freed, wherever the garbage collector runs, in the thread too: a
lock that both share would have each wait for the other.
"""

import os
import select
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TextIO

# Some 20,000 lines.
_ROOM = 4 * 1024 * 1024
# What is written at once.
_PIECE = 64 * 1024
# Lines gather for so long after the last were written: a thread that is woken for each takes the
# interpreter from the jobs each time.
_GATHER_S = 0.005
# For how long the end waits for a reader. A stop has 5 s beyond its grace and takes 4.6 of them at
# worst, when Redis is away; all others are far below that.
_LAST_S = 0.3

# A line, how many are missing here, who waits until all before is written, or the end.
_Item = str | int | threading.Event | None


class LogWriter:
    """A sink for Loguru over `stream`. `missing` is the line that stands for so many others."""

    def __init__(self, stream: TextIO, missing: Callable[[int], str]) -> None:
        self._put = _output(stream)
        self._missing = missing
        self._items: SimpleQueue[_Item] = SimpleQueue()
        self._taken = self._missed = 0
        self._written = 0  # of what was taken; the thread alone changes it
        self._gathered_at = 0.0  # on the monotonic clock; the thread's, too
        self._is_broken = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, message: str) -> None:
        """Take a line, or count it where there is no room. Never waits for a reader."""
        if self._taken - self._written + len(message) > _ROOM:
            self._missed += 1
            return
        self._report_missed()
        self._taken += len(message)
        self._items.put(str(message))  # Loguru's own kind of text holds the whole record

    def drain(self) -> None:
        """Wait until all is written, but not for a reader that does not read."""
        is_written = threading.Event()
        self._items.put(is_written)
        is_written.wait(_LAST_S)

    def stop(self) -> None:
        """End when all is written. Loguru calls it, at the latest at the interpreter's end."""
        self._report_missed()
        self._items.put(None)
        self._thread.join(_LAST_S)

    def _report_missed(self) -> None:
        if self._missed:
            self._items.put(self._missed)
            self._missed = 0

    # -- in the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        items: list[_Item] = []
        while None not in items:
            items = self._next()
            self._write("".join(map(self._text, items)))
            self._gathered_at = time.monotonic() + _GATHER_S
            self._written += sum(len(item) for item in items if isinstance(item, str))
            for item in items:
                if isinstance(item, threading.Event):
                    item.set()

    def _next(self) -> list[_Item]:
        """At least one, and of the others that wait about as many as are written at once."""
        items = [self._items.get()]
        if isinstance(items[0], str):
            time.sleep(max(self._gathered_at - time.monotonic(), 0))
        size = 0
        while size < _PIECE and not self._items.empty():
            items.append(self._items.get())
            size += len(self._text(items[-1]))
        return items

    def _text(self, item: _Item) -> str:
        if isinstance(item, int):
            return self._missing(item)
        return item if isinstance(item, str) else ""

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
