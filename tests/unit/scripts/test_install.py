"""The installation into .venv and .cache/otel: done once, whoever asks, and by one at a time.

The locks name no package, so that pip asks nobody.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.worker_process import ROOT

INSTALLING = "Installing requirements/{}.txt into .venv\n"
APART = "Installing requirements/otel.txt into .cache/otel\n"
WAITING = "Waiting for another installation\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script, three locks, and a .venv whose parts are those of these tests'."""
    (tmp_path / "requirements").mkdir()
    for lock in ("worker", "all", "otel"):
        (tmp_path / f"requirements/{lock}.txt").write_text(f"# nothing for {lock}\n")
    (tmp_path / "scripts").mkdir()
    shutil.copy2(ROOT / "scripts/install.py", tmp_path / "scripts")
    (tmp_path / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (tmp_path / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    return tmp_path


def _start(checkout: Path, lock: str) -> subprocess.Popen[str]:
    command = [sys.executable, checkout / "scripts/install.py", lock]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code, and what was said that was not read yet."""
    _, said = process.communicate(timeout=120)
    return process.returncode, said


def _install(checkout: Path, lock: str) -> tuple[int, str]:
    return _end(_start(checkout, lock))


@pytest.mark.slow
def test_what_is_installed_is_left_alone(checkout: Path) -> None:
    assert _install(checkout, "worker") == (0, INSTALLING.format("worker"))
    assert _install(checkout, "worker") == (0, "")
    assert not (checkout / ".cache").exists()
    assert _install(checkout, "all") == (0, INSTALLING.format("all") + APART)
    assert _install(checkout, "all") == (0, "")
    assert _install(checkout, "worker") == (0, "")


@pytest.mark.slow
def test_a_changed_lock_is_installed_and_the_other_asked_for_again(checkout: Path) -> None:
    _install(checkout, "all")
    (checkout / "requirements/worker.txt").write_text("# a newer one\n")
    assert _install(checkout, "all") == (0, "")
    assert _install(checkout, "worker") == (0, INSTALLING.format("worker"))
    assert _install(checkout, "all") == (0, INSTALLING.format("all"))


@pytest.mark.slow
def test_what_lies_apart_is_made_anew_by_itself(checkout: Path) -> None:
    """Whole, or not at all: what was there before is gone."""
    _install(checkout, "all")
    lock, left = checkout / "requirements/otel.txt", checkout / ".cache/otel/left.py"
    left.touch()
    lock.write_text("no requirement\n")
    assert _install(checkout, "worker") == (0, "")
    for _ in range(2):
        code, said = _install(checkout, "all")
        assert (code != 0, said.startswith(APART)) == (True, True)
    assert not left.exists()
    lock.write_text("# a newer one\n")
    assert _install(checkout, "all") == (0, APART)
    assert _install(checkout, "all") == (0, "")


@pytest.mark.slow
def test_what_failed_is_tried_again(checkout: Path) -> None:
    lock = checkout / "requirements/worker.txt"
    lock.write_text("no requirement\n")
    for _ in range(2):
        code, said = _install(checkout, "worker")
        assert code != 0
        assert said.startswith(INSTALLING.format("worker"))
        assert "Invalid requirement" in said
    lock.write_text("# nothing\n")
    assert _install(checkout, "worker") == (0, INSTALLING.format("worker"))


@pytest.mark.slow
@pytest.mark.parametrize("locks", [("all", "all"), ("worker", "all")], ids="-".join)
def test_of_two_side_by_side_one_waits(checkout: Path, locks: tuple[str, str]) -> None:
    """Both wait for a third here, which keeps them until both have asked."""
    third = os.open(checkout / ".venv", os.O_RDONLY)
    fcntl.flock(third, fcntl.LOCK_EX)
    processes = [_start(checkout, lock) for lock in locks]
    for process in processes:
        assert process.stderr is not None
        assert process.stderr.readline() == WAITING
        assert process.poll() is None
    assert not (checkout / ".venv/.installed").exists()
    os.close(third)
    ends = [_end(process) for process in processes]
    assert [code for code, _ in ends] == [0, 0]
    said = "".join(said for _, said in ends)
    assert said.count(INSTALLING.format("all")) == 1
    assert said.count(APART) == 1
    assert said.count("\n") <= len({*locks, "otel"})
    assert _install(checkout, "worker") == _install(checkout, "all") == (0, "")


def test_nothing_is_installed_but_the_two(checkout: Path) -> None:
    code, said = _install(checkout, "nothing")
    assert (code, "install.py worker|all" in said) == (2, True)
    assert not (checkout / ".venv/.installed").exists()


def test_the_lock_of_all_holds_that_of_the_worker() -> None:
    """With the same hashes, so that one installation does for both."""
    worker, everything = (_packages(lock) for lock in ("worker", "all"))
    assert len(worker) > 40
    assert {name: everything.get(name) for name in worker} == worker


def _packages(lock: str) -> dict[str, str]:
    text = (ROOT / f"requirements/{lock}.txt").read_text("utf-8")
    blocks = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    return {block.partition("==")[0]: block for block in blocks}


def test_make_installs_what_each_target_needs() -> None:
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    installed = {target: _installed_by(target) for target in targets}
    assert {target for target, locks in installed.items() if not locks} == {"help", "clean"}
    assert {target for target, locks in installed.items() if "worker" in locks} == {"setup", "run"}
    assert all(len(locks) == 1 for locks in installed.values() if locks)


def _installed_by(target: str) -> set[str]:
    """Which locks."""
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(re.findall(r"scripts/install\.py (\w+)", done.stdout))
