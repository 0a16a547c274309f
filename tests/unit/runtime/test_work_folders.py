"""Whose folders are removed: those of workers that are gone, and no others."""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from runtime.work_folders import WorkFolder, remove_abandoned

ROOT = Path(__file__).parents[3]
NOBODY = 2**22 + 1  # above the largest pid that Linux gives


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def a_folder(temp: Path, name: str) -> Path:
    (temp / name / "vidfab-job").mkdir(parents=True)
    (temp / name / "vidfab-job" / "video").write_bytes(b"x")
    return temp / name


OTHER_WORKER = """
import signal
from runtime.work_folders import WorkFolder
print(WorkFolder().path(), flush=True)
signal.pause()
"""


def test_a_killed_workers_folder_is_removed_but_not_a_living_ones(temp: Path) -> None:
    command = [sys.executable, "-c", OTHER_WORKER]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        folder = Path(other.stdout.readline().strip())
        (folder / "file").write_text("x")
        remove_abandoned()
        assert (folder / "file").exists()
        os.kill(other.pid, signal.SIGKILL)
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # ended, and still in /proc
        remove_abandoned()
        assert not folder.exists()


# The second is as pid 1 of a restarted container.
@pytest.mark.parametrize("pid", [NOBODY, os.getpid()], ids=["nobody", "own"])
def test_a_recycled_pid_is_another_process(temp: Path, pid: int) -> None:
    folder = a_folder(temp, f"vidfab-{pid}-1-abc_12")
    remove_abandoned()
    assert not folder.exists()


def test_a_lock_speaks_for_a_worker_whose_pid_is_not_visible(temp: Path) -> None:
    folder = a_folder(temp, f"vidfab-{NOBODY}-1-abc")
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    remove_abandoned()
    assert folder.exists()
    os.close(lock)
    remove_abandoned()
    assert not folder.exists()


@pytest.mark.parametrize(
    "name",
    ["vidfab-redis-abc", f"vidfab-{NOBODY}", f"vidfab-{NOBODY}-1", f"x-{NOBODY}-1-abc", "vidfab-a"],
    ids=["word", "pid", "two numbers", "other prefix", "short"],
)
def test_what_is_called_otherwise_is_left_alone(temp: Path, name: str) -> None:
    folder = a_folder(temp, name)
    remove_abandoned()
    assert folder.exists()


def test_links_and_files_are_left_alone(temp: Path) -> None:
    target = a_folder(temp, "other")
    link = temp / f"vidfab-{NOBODY}-1-abc"
    link.symlink_to(target)
    file = temp / f"vidfab-{NOBODY}-2-abc"
    file.write_text("x")
    inner = a_folder(temp, f"vidfab-{NOBODY}-3-abc") / "link"
    inner.symlink_to(target)
    remove_abandoned()
    assert link.is_symlink()
    assert file.exists()
    assert not inner.parent.exists()
    assert (target / "vidfab-job" / "video").exists()


def test_other_users_folders_are_left_alone(temp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_folder(temp, f"vidfab-{NOBODY}-1-abc")
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    remove_abandoned()
    assert folder.exists()


def test_a_folder_that_was_tidied_away_is_made_anew(temp: Path) -> None:
    folder = WorkFolder()
    first = folder.path()
    assert folder.path() == first
    first.rmdir()
    again = folder.path()
    assert again.is_dir()
    folder.remove()
    assert list(temp.iterdir()) == []
