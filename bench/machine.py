"""What the figures were measured on."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil

from sandbox import node
from sandbox.redis import redis_binary

_GIB = 1024**3


async def machine() -> dict[str, str]:
    """What is said of it, by what it is called."""
    runtime = await node.install()
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{os.cpu_count()} cores, {_processor()}",
        "memory": f"{psutil.virtual_memory().total / _GIB:.1f} GiB",
        # What else it does then spoils the figures.
        "load at the start": f"{os.getloadavg()[0]:.1f}",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Node": _version([str(runtime.executable), "--version"]),
        "BullMQ in Node": _bullmq(runtime),
        "Redis": _version([redis_binary(), "--version"]),
    }


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text("utf-8")
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _bullmq(runtime: node.Node) -> str:
    text = (runtime.package("bullmq") / "package.json").read_text("utf-8")
    [version] = re.findall(r'^  "version": "(.+)"', text, re.MULTILINE)
    return version


def _version(command: list[str]) -> str:
    """The first number with dots that a program says of itself."""
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+\.\d+[\d.]*", said)
    return found[0] if found else said.strip()
