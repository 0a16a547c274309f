"""A new job type is one new file."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.jobs.registry import discover

HANDLER = """
from datetime import timedelta
from bullmq_consumer import Job, Jobs
from core.jobs.data import JobData, JobResult

jobs = Jobs()

class Data(JobData):
    size: int

class Subject(JobData):
    pass

@jobs.job("{name}", timeout=timedelta(seconds=5))
async def handler(job: Job[Data]) -> JobResult:
    return JobResult()

@handler.on_final_failure
async def settle(job: Job[Subject], reason: str) -> None:
    pass
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "extra_handlers"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith("extra_handlers")]:
        del sys.modules[name]


def test_a_file_in_the_folder_is_a_job(package: Path) -> None:
    (package / "greet.py").write_text(HANDLER.format(name="greet"), encoding="utf-8")
    (package / "_parts.py").write_text(HANDLER.format(name="hidden"), encoding="utf-8")
    entries = discover("extra_handlers").entries()
    assert list(entries) == ["greet"]
    greet = entries["greet"].registered
    assert greet.takes.type.model_fields.keys() == {"user_id", "size"}
    assert greet.final_failure is not None
    assert greet.final_failure.takes.type.model_fields.keys() == {"user_id"}


def test_two_handlers_of_one_name_are_refused(package: Path) -> None:
    (package / "one.py").write_text(HANDLER.format(name="same"), encoding="utf-8")
    (package / "two.py").write_text(HANDLER.format(name="same"), encoding="utf-8")
    with pytest.raises(TypeError, match=r"'same': rename the one in extra_handlers\.two"):
        discover("extra_handlers").entries()


def test_what_a_result_does_not_say_is_left_out_for_the_app() -> None:
    entries = discover().entries()
    assert entries
    assert all(entry.registered.rules.exclude_none for entry in entries.values())
