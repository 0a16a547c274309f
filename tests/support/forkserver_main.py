"""The program of `forkserver`: forks a worker for each line `{command, env, cwd, log}` it is sent.

It answers `{"started": pid}`, and says `{"ended": pid, "code": exit code or minus the signal}`.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import sys
import tempfile
from typing import Any

# What a worker loads at its start that is not ours, google.genai aside, which few have a use for.
_LIBRARIES = (
    *("bullmq", "dotenv", "loguru", "pydantic", "pydantic.dataclasses", "redis.asyncio", "stamina"),
    *("anyio._backends._asyncio", "h11", "h2.connection", "httpcore", "httpx"),
    *("postgrest._async.client", "storage3"),
)
# What is ours and looks at nothing of its process, with all that these import.
_OURS = (
    *("bullmq_consumer.engine.adding", "bullmq_consumer.engine.consumer"),
    *("bullmq_consumer.jobs.dispatcher", "bullmq_consumer.process.signals"),
    *("services.bundle", "services.net.downloads", "services.supabase.client"),
    *("runtime.alerts.alerts", "runtime.reconciler.reconciler"),
)
# The one that does: it is loaded again by each worker.
_LOOKS_AT_ITS_PROCESS = "config.consumer"
_PR_SET_PDEATHSIG = 1


def main() -> dict[str, Any] | None:
    """Serve until the input ends; in a forked child, return what it is to become."""
    _load()
    with selectors.DefaultSelector() as events:
        events.register(0, selectors.EVENT_READ)
        while True:
            for key, _ in events.select():
                if key.data is not None:
                    events.unregister(key.fd)
                    os.close(key.fd)
                    _, status = os.waitpid(key.data, 0)
                    _say(ended=key.data, code=os.waitstatus_to_exitcode(status))
                    continue
                if not (line := _line()):
                    return None
                wanted = json.loads(line)
                if (pid := os.fork()) == 0:
                    return wanted
                events.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
                _say(started=pid)


def _load() -> None:
    """Import what workers find when they import it; without plugins of pydantic, as they do."""
    sys.path[0] = os.getcwd()
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    for name in (*_LIBRARIES, *_OURS):
        importlib.import_module(name)
    importlib.import_module("core.jobs.registry").discover()
    # A collection in a worker would write to all of it, and have the kernel copy it.
    gc.collect()
    gc.freeze()


def _line() -> bytes:
    """Byte by byte, so that nothing is read ahead of what `select` tells."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def _say(**message: Any) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def become(wanted: dict[str, Any], parent: int) -> None:
    """Turn this process into what `Process` would have started, and run it."""
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    log = os.open(wanted["log"], os.O_WRONLY | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate((nothing, log, log)):
        os.dup2(file, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(wanted["env"])
    os.chdir(wanted["cwd"])
    tempfile.tempdir = None  # chosen anew, by the environment
    _, *sys.argv = wanted["command"]
    sys.path[0] = wanted["cwd"]
    importlib.reload(sys.modules[_LOOKS_AT_ITS_PROCESS])
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    server = os.getpid()
    if found := main():
        become(found, server)
