"""What this machine's kernel can do."""

import ctypes
import sys


def landlock() -> int:
    """Which version of Landlock it has; 0 or less is none."""
    if sys.platform != "linux":
        return 0
    return ctypes.CDLL(None).syscall(444, None, 0, 1)
