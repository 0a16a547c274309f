"""scripts/start-worker.sh: from a checkout to a worker, or to one sentence."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.processes import PATIENCE_S, Process, logged
from sandbox.vidfab import VidFab
from sandbox.worker_process import READY, ROOT
from tests.support.stopwatch import Stopwatch

# Tells how it is called, and ends with the code that stands in the file beside it.
STUB = """
import pathlib, sys
print(*sys.argv[1:], flush=True)
sys.exit(int(pathlib.Path("code").read_text()))
"""


def _run(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """The exit code and all output, called from elsewhere."""
    done = subprocess.run(
        [folder / "scripts/start-worker.sh", *arguments],
        cwd="/",
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout


def _checkout(folder: Path) -> Path:
    """A folder with the scripts, and a lock of no packages."""
    (folder / "requirements").mkdir(parents=True)
    (folder / "requirements/worker.txt").write_text("# nothing\n")
    (folder / "scripts").mkdir()
    for script in ("start-worker.sh", "install.py"):
        shutil.copy2(ROOT / "scripts" / script, folder / "scripts")
    return folder


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """A checkout whose worker is the stub, with nothing installed."""
    folder = _checkout(tmp_path / "stub")
    (folder / "worker.py").write_text(STUB)
    (folder / "code").write_text("0")
    return folder


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A checkout of the real worker, installed; it has no .env file."""
    folder = _checkout(tmp_path / "real")
    (folder / "worker.py").symlink_to(ROOT / "worker.py")
    (folder / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    return folder


INSTALLING = "Installing requirements/worker.txt into .venv\n"


def test_installs_once_checks_and_becomes_the_worker(stub: Path) -> None:
    checked_and_run = "--env-file x.env check\n--env-file x.env\n"
    assert _run(stub, "--env-file", "x.env") == (0, INSTALLING + checked_and_run)
    assert _run(stub, "--no-check", "--concurrency", "2") == (0, "--concurrency 2\n")

    (stub / "requirements/worker.txt").write_text("# a newer one\n")
    (stub / "code").write_text("1")
    assert _run(stub) == (1, INSTALLING + "check\n")


def test_an_interrupted_installation_is_made_whole(stub: Path) -> None:
    python = Path(sys.executable)
    subprocess.run([python, "-m", "venv", "--without-pip", stub / ".venv"], check=True)
    assert _run(stub, "--no-check") == (0, INSTALLING + "\n")
    assert (stub / ".venv/bin/pip").exists()


def test_too_old_a_python_is_told(stub: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "dirname", "env", "readlink"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    code, said = _run(stub, PATH=str(tools), PYTHON="/bin/false")
    assert (code, said.count("\n")) == (1, 1)
    assert "Python 3.11 or newer is needed" in said
    assert not (stub / ".venv").exists()


def test_a_link_to_it_leads_to_its_checkout(stub: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/start").symlink_to(stub / "scripts/start-worker.sh")
    (stub / "requirements/worker.txt").unlink()
    done = subprocess.run(
        [tmp_path / "bin/start"],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"❌ {stub} is no checkout of the worker")
    assert not (stub / ".venv").exists()


async def test_a_signal_reaches_the_worker(vidfab: VidFab, real: Path, tmp_path: Path) -> None:
    worker = Process(
        [real / "scripts/start-worker.sh", "--no-check"],
        tmp_path / "start.log",
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **vidfab.settings("q-start")},
    )
    try:
        await worker.start(logged(worker.log, READY))
        stop = Stopwatch(worker)
        os.kill(worker.pid, signal.SIGTERM)  # to this process and none of its children
        code, took_s = await stop.end_of(worker)
        assert code == 0
        assert took_s < 15
    finally:
        await worker.kill()


def test_wrong_settings_stop_the_start(real: Path) -> None:
    code, said = _run(real, QUEUE_CONCURRENCY="many")
    assert code != 0
    assert "Starting VidFab" not in said
    assert "Traceback" not in said
