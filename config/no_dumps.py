"""The worker's memory and environment hold the key of the whole database."""

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def forbid_dumps() -> None:
    """No core dumps, and no looking into this process by others of the same user, on Linux.

    Those with CAP_SYS_PTRACE or CAP_PERFMON may look all the same: root, outside of containers.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
