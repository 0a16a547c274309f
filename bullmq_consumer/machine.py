"""Recognises errors that show that the machine lacks what every job needs. Pure.

Libraries wrap the kernel's error: httpx's ConnectError comes from httpcore's, and that from the
OSError of a socket that could not be opened. All causes of an error are examined.
"""

import errno
import os
import ssl
from collections.abc import Iterator
from datetime import timedelta
from typing import cast

from bullmq_consumer.errors import RequeueLater

# Before this worker checks its machine again, so that another one has taken the job by then.
_DELAY = timedelta(seconds=5)

_DISK_FULL = "its work disk is full"
_NO_DESCRIPTORS = "it has too many open files"
_NO_MEMORY = "it has no memory left"
_NO_THREADS = "it can start no more threads"
_LACKS = {
    errno.ENOSPC: _DISK_FULL,
    errno.EDQUOT: _DISK_FULL,
    errno.EROFS: "its work disk is read-only",
    errno.EIO: "its work disk fails",
    errno.EMFILE: _NO_DESCRIPTORS,
    errno.ENFILE: _NO_DESCRIPTORS,
    errno.ENOMEM: _NO_MEMORY,
}
# The same in a program's error output; lack of memory is left out, as programs have own limits.
_MESSAGES = {os.strerror(one): _LACKS[one] for one in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)}
# Python's RuntimeError when the kernel refuses a thread for lack of memory or pids.
_THREAD_REFUSED = "can't start new thread"


class MachineUnfit(RequeueLater):
    """This worker's machine lacks what any job needs; `lack` is a clause such as "it has no …"."""

    def __init__(self, lack: str) -> None:
        super().__init__(_DELAY, f"The worker's machine is unfit for jobs: {lack}")
        self.lack = lack


def lack_of(error: BaseException) -> str | None:
    """What the machine lacked, by an error; None when that has another cause."""
    return next(filter(None, map(_lack, _origins(error))), None)


def lack_in_output(text: str) -> str | None:
    """What the machine lacked, by the error output of a program; None if nothing."""
    return next((lack for words, lack in _MESSAGES.items() if words in text), None)


def _lack(error: BaseException) -> str | None:
    if isinstance(error, MachineUnfit):
        return error.lack
    if isinstance(error, MemoryError):
        return _NO_MEMORY
    if isinstance(error, RuntimeError) and str(error) == _THREAD_REFUSED:
        return _NO_THREADS
    # TLS has its own numbers: its 5 is the end of a connection, not EIO.
    if not isinstance(error, OSError) or isinstance(error, ssl.SSLError):
        return None
    return _LACKS.get(error.errno or 0)


def _origins(error: BaseException) -> Iterator[BaseException]:
    """The error, the members of a group and all their causes, each once."""
    left, seen = [error], set[int]()
    while left:
        current = left.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            left += cast("BaseExceptionGroup[BaseException]", current).exceptions
        hidden = current.__suppress_context__
        before = current.__cause__ or (None if hidden else current.__context__)
        if before is not None:
            left.append(before)
