"""The worker as its users run it: `worker.py` in a process of its own."""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sandbox.processes import Process, logged

ROOT = Path(__file__).parent.parent
READY = "Waiting for jobs..."
# What the interpreter itself may need; everything else would be a setting of this machine.
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "TZ")


def new_worker(
    settings: Mapping[str, str],
    folder: Path,
    *arguments: str,
    root: Path = ROOT,
    packages: Path | None = None,
) -> Process:
    """A worker that reads exactly `settings`, by `--env-file`; its log goes to `folder`.

    `root` is where its code lies, `packages` a folder of packages that .venv does not have.
    """
    number, name = tempfile.mkstemp(prefix="worker-", suffix=".env", dir=folder)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.writelines(f'{name}="{value}"\n' for name, value in settings.items())
    env_file = Path(name)
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    if packages is not None:
        environment["PYTHONPATH"] = str(packages)
    command = [sys.executable, "worker.py", "run", "--env-file", str(env_file), *arguments]
    log = env_file.with_suffix(".log")
    return Process(command, log, name="worker", cwd=root, env={**environment, "PYTHONUTF8": "1"})


async def start_worker(
    settings: Mapping[str, str],
    folder: Path,
    *arguments: str,
    root: Path = ROOT,
    packages: Path | None = None,
) -> Process:
    """The same, waiting for jobs. Raises SandboxError when it refuses to start."""
    process = new_worker(settings, folder, *arguments, root=root, packages=packages)
    await process.start(logged(process.log, READY))
    return process
