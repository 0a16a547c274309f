"""What every job needs of its worker's machine, and how an error shows that it is not there. Pure.

Libraries wrap the kernel's answer: httpx's ConnectError comes from httpcore's, and that from the
OSError of a socket that could not be opened. All that an error came from is looked at.
"""

import errno
import os
import ssl
from collections.abc import Iterator
from datetime import timedelta
from typing import cast

from bullmq_consumer.errors import HandBack

# Before this worker looks at its machine again, so that another one has the job by then.
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
# The same in the words of a program that was run; one without memory has a limit of its own.
_SAID = {os.strerror(one): _LACKS[one] for one in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)}
# What Python says, in a RuntimeError, where the kernel refuses a thread for want of memory or pids.
_THREAD_REFUSED = "can't start new thread"


class MachineUnfit(HandBack):
    """This worker's machine lacks what any job needs; `lack` says what, as in "it has no …"."""

    def __init__(self, lack: str) -> None:
        super().__init__(_DELAY, f"The worker's machine is unfit for jobs: {lack}")
        self.lack = lack


def lack_of(error: BaseException) -> str | None:
    """What the machine lacked when the error arose, None when it is about something else."""
    return next(filter(None, map(_lack, _origins(error))), None)


def lack_said(text: str) -> str | None:
    """What the machine lacked by the complaints of a program that ran on it."""
    return next((lack for words, lack in _SAID.items() if words in text), None)


def _lack(error: BaseException) -> str | None:
    if isinstance(error, MachineUnfit):
        return error.lack
    if isinstance(error, MemoryError):
        return _NO_MEMORY
    if isinstance(error, RuntimeError) and str(error) == _THREAD_REFUSED:
        return _NO_THREADS
    # TLS has numbers of its own, of which 5 is the end of a connection, and not a fault of a disk.
    if not isinstance(error, OSError) or isinstance(error, ssl.SSLError):
        return None
    return _LACKS.get(error.errno or 0)


def _origins(error: BaseException) -> Iterator[BaseException]:
    """The error, the members of a group, and what each of them came from; each of them once."""
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
