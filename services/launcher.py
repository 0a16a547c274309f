"""Runs in a child process: gives up what an untrusted program need not have, then becomes it.

`services/untrusted.py` hands this text to a Python of its own, which imports nothing of ours:

    python -I -S -c TEXT PARENT CPU_S FILE_BYTES MEMORY_BYTES PROGRAM [ARGUMENT …]
"""

import ctypes
import os
import resource
import signal
import struct
import sys

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
# The kernel's numbers by architecture: its own, then socket, ptrace, process_vm_readv and
# process_vm_writev, io_uring_setup, pidfd_getfd.
_NUMBERS = {
    "x86_64": (0xC000003E, (41, 101, 310, 311, 425, 438)),
    "aarch64": (0xC00000B7, (198, 117, 270, 271, 425, 438)),
}
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13  # 13: EACCES
# On x86_64 system calls above this are those of another interface, with other numbers.
_OTHER_INTERFACE = 0x40000000

Instruction = tuple[int, int, int, int]


def keep_signals_away() -> None:
    """PM2 sends SIGINT to the worker's whole tree; a blocked signal stays blocked in the program.

    What runs shall go on for as long as the worker lets its jobs go on.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)


def end_with(parent: int) -> None:
    """On Linux the kernel kills the child when the worker dies, unless it has died before."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def be_killed_first() -> None:
    """When memory runs out the kernel shall take this process, and not the worker."""
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    except OSError:  # no Linux, or one that hides it: no worse than without
        return


def limit(cpu_s: int, file_bytes: int, memory_bytes: int) -> None:
    """Bounds that no program can raise again. macOS has none on address space."""
    limits = {
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_CORE: 0,
    }
    if sys.platform == "linux":
        limits[resource.RLIMIT_AS] = memory_bytes
    for kind, wanted in limits.items():
        hard = resource.getrlimit(kind)[1]
        bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (bound, bound))
    # The event loop has job locks to renew while the program computes.
    os.nice(5)


def forbid_network() -> None:
    """No sockets, and no looking into other processes, where Linux can see to that.

    A kernel without seccomp changes nothing: ffmpeg's own list of protocols holds all the same.
    """
    found = _NUMBERS.get(os.uname().machine) if sys.platform == "linux" else None
    if found is None or struct.calcsize("P") != 8:
        return
    rules = b"".join(struct.pack("=HBBI", *one) for one in _filter(*found))
    buffer = ctypes.create_string_buffer(rules, len(rules))
    # struct sock_fprog: the number of instructions, and where they are.
    program = struct.pack("HP", len(rules) // 8, ctypes.addressof(buffer))
    kernel = ctypes.CDLL(None)
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    kernel.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program)


def _filter(architecture: int, refused: tuple[int, ...]) -> list[Instruction]:
    """A program of the kernel's packet filter. Its jumps count the instructions they pass over."""
    last = len(refused)
    return [
        (_LOAD, 0, 0, 4),  # struct seccomp_data: the architecture is behind the number
        (_EQUAL, 0, last + 3, architecture),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, last + 1, 0, _OTHER_INTERFACE),
        *((_EQUAL, last - place, 0, number) for place, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]


def main() -> None:
    """Become the program."""
    parent, cpu_s, file_bytes, memory_bytes = map(int, sys.argv[1:5])
    keep_signals_away()
    end_with(parent)
    be_killed_first()
    limit(cpu_s, file_bytes, memory_bytes)
    forbid_network()
    try:
        os.execv(sys.argv[5], sys.argv[5:])  # noqa: S606 (to be that program)
    except OSError as error:
        sys.exit(f"it cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
