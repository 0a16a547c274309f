"""Runs in a child process: gives up what an untrusted program need not have, then becomes it.

`services/untrusted.py` hands this text to a Python of its own, which imports nothing of ours:

    python -I -S -c TEXT PARENT CPU_S FILE_BYTES MEMORY_BYTES FOLDER PROGRAM [ARGUMENT …]
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

# Landlock (Linux 5.13, landlock(7)): what may be done with files, by number of the bit.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE, _MAKE_REG = 0, 1, 2, 3, 5, 8
_TRUNCATE = 14
# How many of the bits a version of Landlock knows; later ones know as many as the last.
_BITS = (13, 14, 15, 15, 16)
# TCP since version 4; abstract sockets and signals to other processes since version 6.
_TCP, _SCOPES = 0b11, 0b11
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GET_VERSION = 1
_PATH_BENEATH = 1
# Where programs and their libraries lie. No folder in which an application is put, with its keys.
_SYSTEM = (
    *("/bin", "/lib", "/lib64", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/share"),
    *("/usr/local/bin", "/usr/local/lib", "/nix/store", "/home/linuxbrew/.linuxbrew"),
    *("/etc/ld.so.cache", "/etc/alternatives", "/sys/devices/system", "/proc/cpuinfo"),
    *("/dev/null", "/dev/zero", "/dev/urandom"),
)

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


def forbid_files(folder: str, program: str) -> None:
    """No file but those of the system and of `folder`, and no signal to other processes.

    So neither the worker's keys, in its files or below /proc, nor another job's. A kernel without
    Landlock changes nothing.
    """
    if sys.platform != "linux":
        return
    kernel = ctypes.CDLL(None)
    version: int = kernel.syscall(_CREATE_RULESET, None, 0, _GET_VERSION)
    if version < 1:
        return
    known = (1 << _BITS[min(version, len(_BITS)) - 1]) - 1
    rules = struct.pack("QQQ", known, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    ruleset: int = kernel.syscall(_CREATE_RULESET, rules, len(rules), 0)
    if ruleset < 0:
        return
    reading = _bits(_READ_FILE, _READ_DIR, _EXECUTE)
    writing = _bits(_WRITE_FILE, _REMOVE_FILE, _MAKE_REG, _TRUNCATE)
    for path in (*_SYSTEM, *_places_of(program)):
        _allow(kernel, ruleset, path, reading & known)
    _allow(kernel, ruleset, "/dev/null", _bits(_WRITE_FILE, _TRUNCATE) & known)
    if folder:
        _allow(kernel, ruleset, folder, (reading | writing) & ~_bits(_EXECUTE) & known)
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    kernel.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _places_of(program: str) -> list[str]:
    """The folder of the program and that of libraries beside it, also behind symbolic links."""
    folders = {os.path.dirname(path) for path in (program, os.path.realpath(program))}
    return [place for one in folders for place in (one, os.path.join(one, "..", "lib"))]


def _allow(kernel: ctypes.CDLL, ruleset: int, path: str, what: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not on every machine
        return
    if not os.path.isdir(path):
        what &= _bits(_EXECUTE, _WRITE_FILE, _READ_FILE, _TRUNCATE)
    # struct landlock_path_beneath_attr is packed.
    kernel.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", what, place), 0)
    os.close(place)


def _bits(*numbers: int) -> int:
    return sum(1 << number for number in numbers)


def main() -> None:
    """Become the program."""
    parent, cpu_s, file_bytes, memory_bytes = map(int, sys.argv[1:5])
    folder, *command = sys.argv[5:]
    keep_signals_away()
    end_with(parent)
    be_killed_first()
    limit(cpu_s, file_bytes, memory_bytes)
    forbid_files(folder, command[0])
    forbid_network()
    try:
        os.execv(command[0], command)  # noqa: S606 (to be that program)
    except OSError as error:
        sys.exit(f"it cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
