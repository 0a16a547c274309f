"""What this machine's kernel can do."""

import ctypes
import sys

import pytest


def landlock() -> int:
    """Which version of Landlock it has; 0 or less is none."""
    if sys.platform != "linux":
        return 0
    return ctypes.CDLL(None).syscall(444, None, 0, 1)


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has seccomp")
with_landlock = pytest.mark.skipif(landlock() < 1, reason="a kernel without Landlock")
