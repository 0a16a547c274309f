"""Runs in a child process: drops what an untrusted program must not have, then execs the program.

`services/media/sandboxed.py` hands this text to a Python of its own, which imports nothing of ours:

    python -I -S -c TEXT PARENT CPU_S FILE_BYTES MEMORY_BYTES FOLDER PROGRAM [ARGUMENT …]
"""

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Collection

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
# The kernel's names for the architectures, and its numbers for system calls on each.
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_NOT_THERE = -1
_REFUSED = {
    # Access to the network, other processes' memory and sockets, and the kernel's own services.
    "socket": (41, 198), "socketpair": (53, 199), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "io_uring_setup": (425, 425),
    "pidfd_getfd": (438, 438), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "unshare": (272, 97), "setns": (308, 268),
    # Ways to leave the process group, which is killed as a whole, or to leave something behind.
    "fork": (57, _NOT_THERE), "vfork": (58, _NOT_THERE), "setsid": (112, 157),
    "setpgid": (109, 154), "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186),
    "mq_open": (240, 180),
    # Signals to other processes, and changes to them.
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274), "setpriority": (141, 140),
    "ioprio_set": (251, 30), "migrate_pages": (256, 238), "move_pages": (279, 239),
    "process_madvise": (440, 440), "process_mrelease": (448, 448),
    # What Landlock leaves to be done with files that may not be opened; truncate() before 6.2.
    "truncate": (76, 45), "chmod": (90, _NOT_THERE), "fchmod": (91, 52), "fchmodat": (268, 53),
    "fchmodat2": (452, 452), "chown": (92, _NOT_THERE), "lchown": (94, _NOT_THERE),
    "fchown": (93, 55), "fchownat": (260, 54), "utime": (132, _NOT_THERE),
    "utimes": (235, _NOT_THERE), "futimesat": (261, _NOT_THERE), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "setxattrat": (463, 463),
    "removexattrat": (466, 466), "file_setattr": (469, 469),
}  # fmt: skip
_KILL, _TGKILL, _PRLIMIT, _CLONE, _CLONE3 = (62, 129), (234, 131), (302, 261), (56, 220), (435, 435)
_CLONE_THREAD = 0x10000
# Calls that a program needs, except for some commands. By these the kernel itself would signal a
# file's or a terminal's owner, which may be any process; block whoever opens a leased file; inject
# terminal input; keep the program alive when the worker dies; share a core with another process.
_FCNTL, _FCNTL_REFUSED = (72, 25), {
    "F_SETOWN": 8, "F_SETSIG": 10, "F_SETOWN_EX": 15, "F_SETLEASE": 1024, "F_NOTIFY": 1026,
}  # fmt: skip
_IOCTL, _IOCTL_REFUSED = (16, 29), {
    "FIOSETOWN": 0x8901, "SIOCSPGRP": 0x8902, "TIOCSPGRP": 0x5410, "TIOCSTI": 0x5412,
}  # fmt: skip
_PRCTL, _PRCTL_REFUSED = (157, 167), {"PR_SET_PDEATHSIG": _PR_SET_PDEATHSIG, "PR_SCHED_CORE": 62}
_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# struct seccomp_data: where the number is, the architecture, the lower halves of two arguments. The
# kernel itself reads no more of those that are compared here.
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24
# SECCOMP_RET_ALLOW, and SECCOMP_RET_ERRNO with EACCES and ENOSYS.
_ANSWERS = {"allow": 0x7FFF0000, "refuse": 0x0005000D, "unknown": 0x00050026}
# On x86_64 system calls above this are those of another interface, with other numbers.
_OTHER_INTERFACE = 0x40000000

# Landlock (Linux 5.13, landlock(7)): what may be done with files, by number of the bit.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE, _MAKE_REG = 0, 1, 2, 3, 5, 8
_TRUNCATE = 14
# How many of the bits each version of Landlock supports; later ones support as many as the last.
_BITS = (13, 14, 15, 15, 16)
# TCP since version 4; abstract sockets and signals to other processes since version 6.
_TCP, _SCOPES = 0b11, 0b11
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GET_VERSION = 1
_PATH_BENEATH = 1
# Where programs and libraries are installed. No folder for applications, which may hold keys.
_SYSTEM = (
    *("/bin", "/lib", "/lib64", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/share"),
    *("/usr/local/bin", "/usr/local/lib", "/nix/store", "/home/linuxbrew/.linuxbrew"),
    *("/etc/ld.so.cache", "/etc/alternatives", "/sys/devices/system", "/proc/cpuinfo"),
    *("/dev/null", "/dev/zero", "/dev/urandom"),
)

# The second is that of the imageio-ffmpeg wheel.
_OF_PROGRAMS = ("bin", "binaries")

# An operation, its operand, and where to jump if it is true and if not: to a verdict, or over so
# many steps.
Step = tuple[int, int, str | int, str | int]


def block_signals() -> None:
    """PM2 sends SIGINT to the worker's whole tree; a blocked signal stays blocked in the program.

    A running program may continue for as long as the worker lets its jobs continue.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)


def end_with(parent: int) -> None:
    """Have Linux kill the child when the worker dies; exit if it died before."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def be_killed_first() -> None:
    """Have the kernel's out-of-memory killer choose this process, not the worker."""
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    except OSError:  # no Linux, or one that hides it: no worse than without
        return


def limit(cpu_s: int, file_bytes: int, memory_bytes: int) -> None:
    """Set resource limits that no program can raise again. macOS has none on address space."""
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


def forbid_calls() -> None:
    """Forbid sockets, other processes and anything that outlives this one, by Linux's seccomp.

    Without seccomp in the kernel this does nothing; ffmpeg's own protocol whitelist still applies.
    """
    found = _ARCHITECTURES.get(os.uname().machine) if sys.platform == "linux" else None
    if found is None or struct.calcsize("P") != 8:
        return
    rules = _assembled(_filter(*found))
    buffer = ctypes.create_string_buffer(rules, len(rules))
    # struct sock_fprog: the number of instructions, and where they are.
    program = struct.pack("HP", len(rules) // 8, ctypes.addressof(buffer))
    kernel = ctypes.CDLL(None)
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    kernel.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program)


def _filter(architecture: int, column: int) -> list[Step]:
    """The seccomp program: a call that passes all steps is allowed."""
    numbers = [one[column] for one in _REFUSED.values() if one[column] != _NOT_THERE]
    own = os.getpid()
    return [
        (_LOAD, _ARCHITECTURE, 0, 0),
        (_EQUAL, architecture, 0, "refuse"),
        (_LOAD, _NUMBER, 0, 0),
        (_AT_LEAST, _OTHER_INTERFACE, "refuse", 0),
        *((_EQUAL, number, "refuse", 0) for number in numbers),
        # The C library falls back to clone(), whose flags are in an argument and can be checked.
        (_EQUAL, _CLONE3[column], "unknown", 0),
        *_only_with(_CLONE[column], _HAS_BITS, _CLONE_THREAD),
        *_only_with(_KILL[column], _EQUAL, own),
        *_only_with(_TGKILL[column], _EQUAL, own),
        *_only_with(_PRLIMIT[column], _EQUAL, 0),
        *_never_with(_FCNTL[column], _SECOND, _FCNTL_REFUSED.values()),
        *_never_with(_IOCTL[column], _SECOND, _IOCTL_REFUSED.values()),
        *_never_with(_PRCTL[column], _FIRST, _PRCTL_REFUSED.values()),
    ]


def _only_with(number: int, test: int, operand: int) -> list[Step]:
    """This call is allowed if its first argument passes the test."""
    return [(_EQUAL, number, 0, 2), (_LOAD, _FIRST, 0, 0), (test, operand, "allow", "refuse")]


def _never_with(number: int, argument: int, operands: Collection[int]) -> list[Step]:
    """This call is refused if the argument is one of these."""
    refused: list[Step] = [(_EQUAL, operand, "refuse", 0) for operand in operands]
    after = (_LOAD, _NUMBER, 0, 0)
    return [(_EQUAL, number, 0, len(refused) + 2), (_LOAD, argument, 0, 0), *refused, after]


def _assembled(steps: list[Step]) -> bytes:
    """Steps, then the verdicts. Jumps count the instructions that they skip."""
    places = {name: len(steps) + number for number, name in enumerate(_ANSWERS)}

    def jump(here: int, there: str | int) -> int:
        return there if isinstance(there, int) else places[there] - here - 1

    jumps = (
        struct.pack("=HBBI", what, jump(here, yes), jump(here, no), operand)
        for here, (what, operand, yes, no) in enumerate(steps)
    )
    answers = (struct.pack("=HBBI", _RETURN, 0, 0, answer) for answer in _ANSWERS.values())
    return b"".join([*jumps, *answers])


def forbid_files(folder: str, program: str) -> None:
    """Forbid files other than those of the system and of `folder`, and signals to other processes.

    This protects the worker's keys, in its files or below /proc, and other jobs' files. Without
    Landlock in the kernel this does nothing.
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
    """The program's paths, and its folder and libraries if that is a folder of programs.

    Any other may be an application's, which holds keys.
    """
    paths = {program, os.path.realpath(program)}
    folders = {os.path.dirname(path) for path in paths}
    of_programs = [one for one in folders if os.path.basename(one) in _OF_PROGRAMS]
    return [*paths, *of_programs, *(os.path.join(one, "..", "lib") for one in of_programs)]


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
    """Apply all limits, then exec the program."""
    parent, cpu_s, file_bytes, memory_bytes = map(int, sys.argv[1:5])
    folder, *command = sys.argv[5:]
    block_signals()
    end_with(parent)
    be_killed_first()
    limit(cpu_s, file_bytes, memory_bytes)
    forbid_files(folder, command[0])
    forbid_calls()
    try:
        os.execv(command[0], command)  # noqa: S606 (to be that program)
    except OSError as error:
        sys.exit(f"it cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
